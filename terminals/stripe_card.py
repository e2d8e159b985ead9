"""Making, renewing and clearing the stripe of a card: write, read back, compare.

What is on a stripe comes from the issuer (`hsm.stripe.make_track2`). A
renewal of the rolling ticket may be cut off at any moment; what it answers
says which of the two the card holds now, so that the switch can drop the
other one, and keeps both while nobody knows.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from .device_errors import DeviceError, VerifyError
from .masking import mask
from .stripe_encoder import Coercivity, EncoderRefusedError, MediumError, StripeEncoder, StripeTracks
from .swipe import StripeRead, parse_track_2, track_1


class WrongCardError(DeviceError):
    """Another card is in the encoder than the one that was meant; nothing was written."""


class Written(enum.Enum):
    """What a stripe holds after a renewal."""

    NEW = "new"
    """The new ticket, read back: the switch is told that it holds."""
    OLD = "old"
    """The old one still: the new one was never there."""
    UNKNOWN = "unknown"
    """It could not be read any more: the switch accepts both, the next swipe tells."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """How a renewal ended; `error` is what went wrong on the way, for the log."""

    written: Written
    error: DeviceError | None = None


def make_stripe(encoder: StripeEncoder, track_2: str, holder: str = "") -> StripeRead:
    """Write a new card, with the holder's name on track 1 when there is one, and read it back.

    `SwipeError` for a track that our readers would refuse, before anything is
    written; `MediumError`, `BadSwipeError` or `VerifyError` for a card that is
    not to be handed out.
    """
    wanted = parse_track_2(track_2)
    first = None
    if holder:
        expiry = f"{wanted.expiry_year:02}{wanted.expiry_month:02}"
        first = track_1(wanted.card_number, holder, expiry, wanted.service_code)
    encoder.set_coercivity(Coercivity.HIGH)  # cards of low coercivity do not live through being rewritten
    encoder.rewrite(StripeTracks(first, track_2))
    return wanted


def read_stripe_card(encoder: StripeEncoder) -> StripeRead:
    """The card in the encoder; `MediumError` for one without track 2, `SwipeError` for one that is not ours."""
    track = encoder.read().track_2
    if track is None:
        raise MediumError("track 2: expected a card of ours, got an empty track; take another card, or make this one")
    return parse_track_2(track)


def renew_stripe(encoder: StripeEncoder, old: StripeRead, new_track_2: str) -> Renewal:
    """Write the next ticket on the card that was swiped, and find out what it holds.

    `WrongCardError`, `MediumError` or `SwipeError` before anything was written,
    `EncoderRefusedError` when nothing could be.
    """
    new = parse_track_2(new_track_2)
    if new.card_number != old.card_number:
        raise WrongCardError(
            f"expected a new ticket for {mask(old.card_number)}, got one for {mask(new.card_number)}; ask again for it"
        )
    lying = read_stripe_card(encoder)
    if lying.track_2() != old.track_2():
        raise WrongCardError(
            f"expected {mask(old.card_number)} as it was swiped, got {mask(lying.card_number)} or another ticket;"
            " put the right card in"
        )
    error: DeviceError | None = None
    try:
        encoder.write(StripeTracks(track_2=new_track_2))
    except EncoderRefusedError:
        raise
    except DeviceError as fault:
        error = fault
    try:
        found = encoder.read().track_2
    except DeviceError as fault:
        return Renewal(Written.UNKNOWN, error or fault)
    if found == new_track_2:
        return Renewal(Written.NEW, error)
    return Renewal(Written.OLD if found == old.track_2() else Written.UNKNOWN, error)


def clear_stripe(encoder: StripeEncoder, card_number: str) -> None:
    """Make a returned card's stripe blank stock again, and see that it is; only the card that was meant."""
    lying = read_stripe_card(encoder)
    if lying.card_number != card_number:
        raise WrongCardError(
            f"expected {mask(card_number)} to clear, got {mask(lying.card_number)}; put the right card in"
        )
    encoder.erase(1, 2, 3)
    try:
        left = encoder.read()
    except MediumError:
        return  # a blank stripe reads as an error with most encoders
    if any(track is not None for track in left.strings()):
        raise VerifyError("expected a blank stripe after erasing, got data on it; erase again, or destroy the card")
