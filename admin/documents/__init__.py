"""Documents: everything that people want the switch to do, from one frozen card to a batch of a hundred thousand.

A document is a form of some kind.  It is planned (which requests would it
send?), shown, agreed to by a second person where the kind asks for one, and
sent, request by request, each exactly once.  `kind` says what a kind is,
`registry` which there are, `desk` what people do with documents, `sending`
how requests reach the switch.
"""
