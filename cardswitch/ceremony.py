"""The protocol of a key ceremony, as it is printed, filled in and signed."""

CEREMONY = """\
PROTOCOL OF A KEY CEREMONY

Place: ______________________________   Date: ______________   Begun at: _______

Present
    Officer (author)     name ______________________ number _______ signature _______________
    Officer (approver)   name ______________________ number _______ signature _______________
    Custodian 1          name ______________________                signature _______________
    Custodian 2          name ______________________                signature _______________
    Custodian 3          name ______________________                signature _______________
    Witness              name ______________________                signature _______________
Nobody has two of these offices.

Before
[ ] 1. The machine has no network but the one to the switch; no camera sees keyboard or screen.
[ ] 2. The clock of the machine is right:                                 ____________________
[ ] 3. cardswitch keys log: whole. Last line and MAC as in the last protocol:
                                       line ______ MAC ________________________________________
[ ] 4. cardswitch keys show: nothing is left half done.

A key that the backend draws (the usual way: nobody ever sees it)
[ ] 5. cardswitch keys add PURPOSE
                     purpose _____________ version _____ check value ____ ____ __

A key that comes in components (from a card supplier, or from another site)
[ ] 6. The seals of all envelopes are whole:      numbers __________ __________ __________
[ ] 7. cardswitch keys enter PURPOSE --custodians "NAME,NAME" --check CHECK_VALUE
       Each custodian types alone; the others stand where they see neither keyboard nor form.
[ ] 8. Custodian 1: check value of the component as on the form    ____ ____ __   initials ____
[ ] 9. Custodian 2: check value of the component as on the form    ____ ____ __   initials ____
[ ] 10. Custodian 3: check value of the component as on the form   ____ ____ __   initials ____
[ ] 11. Check value of the whole key as on every form              ____ ____ __   all initials ____
        A check value that does not fit after three tries ends the ceremony: nothing was made.
[ ] 12. Each form is sealed again by its custodian and goes to a safe of its own:
                                       seals __________ __________ __________

After
[ ] 13. cardswitch keys show: the key is NEW, with the check value above.
[ ] 14. cardswitch keys log: the new lines are those of this protocol.
                                       line ______ MAC ________________________________________
[ ] 15. A copy of the folder keys/ is made and sealed:             seal ______________________
        The passphrase, or the token's PIN, is not with it.
[ ] 16. Restored on a second machine, the copy shows the same check values (at least once a year).

Ended at: _______
"""
