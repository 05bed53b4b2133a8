"""A receipt says how far an erasure has come, never too early; any byte changed is found."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lifecycle.erasing import CHAT, CONTACT, DAY, Erasing
from tests.log.support import SECOND, SIGNER, WITNESS
from volens.core.canonical import canonical_json
from volens.core.errors import InvalidInput, Unavailable, VerificationFailed
from volens.core.time import format_moment
from volens.holds.erasure import ErasureState
from volens.holds.evidence import Evidence
from volens.lifecycle.receipt import Shown, issue_receipt, prove_steps, verify_receipt
from volens.lifecycle.receipt_form import DocumentKind
from volens.log.kinds import EntryKind, ErasureScope
from volens.log.note import Signer, to_base64

VERIFIER = SIGNER.verifier
Body = dict[str, Any]


@pytest.fixture
def erasing() -> Erasing:
    return Erasing()


def signed(body: Body) -> bytes:
    """Sign members as the controller itself could: with the right key, whatever they say."""
    unsigned = {name: value for name, value in body.items() if name != "signature"}
    signature = SIGNER.sign_bytes(b"volens-erasure-receipt/v1 " + canonical_json(unsigned))
    return canonical_json({**unsigned, "signature": to_base64(signature)})


def refused(body: Body, match: str = ".") -> None:
    with pytest.raises(VerificationFailed, match=match):
        verify_receipt(signed(body), VERIFIER)


def shown(data: bytes) -> Shown:
    return verify_receipt(data, VERIFIER)


def kinds(data: bytes) -> list[str]:
    return [json.loads(one["entry"])["kind"] for one in json.loads(data)["log"]]


def test_each_step_of_the_way_is_shown_with_its_proof_and_only_the_last_is_a_receipt(
    erasing: Erasing,
) -> None:
    name = erasing.ask()
    others = [erasing.ask(ErasureScope.HISTORY), erasing.ask(ErasureScope.ACCOUNT)]
    asked = shown(erasing.receipt(name)).receipt
    assert (asked.state, asked.kind) == (ErasureState.ACCESS_ENDED, DocumentKind.STATUS)
    assert (asked.reference, asked.conversations) == (name, (CHAT,))
    assert (asked.contact, asked.controller) == (CONTACT, SIGNER.name)
    erasing.clock.step(7 * DAY)
    erasing.remove_keys([*others, name])
    removed = shown(erasing.receipt(name)).receipt
    assert (removed.state, removed.done) == (ErasureState.KEYS_REMOVED, False)
    assert [step.store for step in removed.steps] == ["keys", "content"]
    erasing.clock.step(14 * DAY)
    erasing.finish([name, *others])
    data = erasing.receipt(name)
    last = shown(data)
    assert (last.receipt.state, last.receipt.kind) == (
        ErasureState.IRRECOVERABLE,
        DocumentKind.RECEIPT,
    )
    assert last.receipt.times.irrecoverable == erasing.clock.now()
    assert last.checkpoint.size == erasing.log.published_size
    assert last.note.encode() == erasing.log.checkpoint
    assert kinds(data) == [
        "erasure.requested",
        "erasure.started",
        "erasure.keys_removed",
        "erasure.irrecoverable",
    ]
    assert json.loads(data)["done"] is True


def test_every_scope_alone_and_in_a_group_has_a_receipt_that_holds(erasing: Erasing) -> None:
    names = [erasing.ask(scope) for scope in ErasureScope for _ in range(3)]
    erasing.remove_keys(names[:1])
    erasing.remove_keys(names[1:])
    erasing.finish(names)
    for name in names:
        found = shown(erasing.receipt(name)).receipt
        assert (found.reference, found.done) == (name, True)


def test_an_erasure_taken_back_has_no_receipt_but_a_status_that_says_so(erasing: Erasing) -> None:
    name = erasing.ask()
    erasing.clock.step(DAY)
    erasing.cancel(name)
    data = erasing.receipt(name)
    found = shown(data).receipt
    assert (found.state, found.kind) == (ErasureState.CANCELLED, DocumentKind.STATUS)
    assert kinds(data) == ["erasure.requested", "erasure.cancelled"]


def test_a_hold_is_shown_with_its_end_and_under_a_gag_not_at_all(erasing: Erasing) -> None:
    name = erasing.ask()
    plain = erasing.receipt(name)
    erasing.hold(name, erasing.clock.now() + 90 * DAY)
    found = shown(erasing.receipt(name)).receipt
    assert found.state is ErasureState.HELD
    assert found.times.held_until == erasing.clock.now() + 90 * DAY
    erasing.hold(name, None)
    assert erasing.receipt(name) == plain


def test_what_the_log_does_not_say_is_not_claimed_whatever_the_ledger_says(
    erasing: Erasing,
) -> None:
    name = erasing.ask()
    now = erasing.clock.now()
    claims = {
        "state": ErasureState.IRRECOVERABLE,
        "keys_removed": now,
        "irrecoverable": now,
    }
    eager = replace(erasing.erasures[name], **claims)  # type: ignore[arg-type]  # named above
    assert shown(erasing.receipt(name, erasure=eager)).receipt.state is ErasureState.ACCESS_ENDED
    erasing.remove_keys([name])
    found = shown(erasing.receipt(name, erasure=eager)).receipt
    assert found.state is ErasureState.KEYS_REMOVED


def test_what_the_ledger_does_not_say_is_not_claimed_whatever_the_log_says(
    erasing: Erasing,
) -> None:
    """An entry that was logged just before a stop is not yet known to be of a finished deed."""
    name = erasing.ask()
    before = erasing.erasures[name]
    erasing.remove_keys([name])
    between = erasing.erasures[name]
    erasing.finish([name])
    assert shown(erasing.receipt(name, erasure=before)).receipt.state is ErasureState.ACCESS_ENDED
    assert shown(erasing.receipt(name, erasure=between)).receipt.state is ErasureState.KEYS_REMOVED


def test_a_start_that_was_cut_off_is_left_out(erasing: Erasing) -> None:
    name = erasing.ask()
    erasing.remove_keys([name])
    steps = erasing.steps[name]
    again = Erasing()
    name = again.ask()
    again.remove_keys([name])  # its row was lost: it is repeated, under a new start
    again.remove_keys([name])
    assert len(again.steps[name]) == len(steps) + 2
    data = again.receipt(name)
    assert kinds(data) == kinds(erasing.receipt(next(iter(erasing.steps))))
    body = json.loads(data)
    started, removed = (json.loads(one["entry"]) for one in body["log"][1:])
    assert removed["started"] == again.steps[name][3].index
    assert started["root"] != removed["root"]


def test_before_the_request_is_in_the_log_there_is_no_document(erasing: Erasing) -> None:
    name = erasing.ask()
    erasing.steps[name].clear()
    with pytest.raises(Unavailable) as refused_it:
        erasing.receipt(name)
    assert refused_it.value.code == "receipt_unlogged"


def test_an_unpublished_entry_is_never_shown(erasing: Erasing) -> None:
    name = erasing.ask()
    evidence = Evidence(erasure=name, steps=tuple(erasing.steps[name]))
    with pytest.raises(InvalidInput):
        prove_steps(evidence, erasing.log)


@pytest.mark.parametrize("contact", ["", "x" * 301, "a\nb", "a\x00b", "a\u2028b", "a\u202eb"])
def test_a_contact_is_one_plain_line(erasing: Erasing, contact: str) -> None:
    name = erasing.ask()
    erasing.log.publish()
    logged = prove_steps(Evidence(erasure=name, steps=tuple(erasing.steps[name])), erasing.log)
    with pytest.raises(InvalidInput) as refused_it:
        issue_receipt(
            erasing.erasures[name],
            logged,
            contact=contact,
            issued=erasing.clock.now(),
            signer=SIGNER,
        )
    assert refused_it.value.code == "receipt_contact"


def test_any_changed_byte_is_found(erasing: Erasing) -> None:
    data = erasing.done()
    for place in range(len(data)):
        for bit in (1, 0x20):
            changed = bytearray(data)
            changed[place] ^= bit
            with pytest.raises(VerificationFailed):
                verify_receipt(bytes(changed), VERIFIER)


def test_any_cut_and_any_addition_is_found(erasing: Erasing) -> None:
    data = erasing.done()
    for length in range(0, len(data), 11):
        with pytest.raises(VerificationFailed):
            verify_receipt(data[:length], VERIFIER)
    for longer in (data + b"\n", b" " + data, data + data):
        with pytest.raises(VerificationFailed):
            verify_receipt(longer, VERIFIER)


def test_another_key_verifies_nothing(erasing: Erasing) -> None:
    data = erasing.done()
    other = Signer(name=SIGNER.name, seed=bytes(32))
    renamed = Signer(name="example.org/other", seed=bytes(range(32)))
    for key in (other, renamed):
        with pytest.raises(VerificationFailed):
            verify_receipt(data, key.verifier)


def test_no_entry_can_be_dropped_doubled_or_moved_even_by_who_holds_the_key(
    erasing: Erasing,
) -> None:
    body = json.loads(erasing.done())
    log = body["log"]
    for place in range(len(log)):
        refused({**body, "log": log[:place] + log[place + 1 :]})
        refused({**body, "log": [*log, log[place]]})
        refused({**body, "log": log[:place]})
        for other in range(len(log)):
            if other != place:
                moved = list(log)
                moved[place], moved[other] = moved[other], moved[place]
                refused({**body, "log": moved})


def test_parts_of_two_receipts_do_not_make_a_third(erasing: Erasing) -> None:
    """Not even of two that went in the same group, and not with a signature of the right key."""
    names = [erasing.ask() for _ in range(3)]
    erasing.clock.step(DAY)
    names.append(erasing.ask(ErasureScope.ACCOUNT))
    erasing.remove_keys(names)
    erasing.finish(names)
    bodies = [json.loads(erasing.receipt(name)) for name in names]
    first = bodies[0]
    assert verify_receipt(signed(first), VERIFIER).receipt.reference == names[0]
    parts = [(at, part) for at in range(4) for part in ("entry", "proof", "opening")]
    for other in bodies[1:]:
        refused({**first, "reference": other["reference"]})
        refused({**first, "log": other["log"]})
        for place, part in parts:
            mixed = json.loads(json.dumps(first))
            mixed["log"][place][part] = other["log"][place][part]
            if mixed != first:  # entries about a group are the same for each of it
                refused(mixed)
    refused({**first, "scope": bodies[3]["scope"]})
    refused({**first, "promised_by": bodies[3]["promised_by"]})
    refused({**first, "cause": "schedule"})


def earlier(moment: str) -> str:
    return moment.replace(".020Z", ".019Z").replace("T09:30:02", "T09:30:01")


CHANGES: dict[str, Callable[[Body], object]] = {
    "keys removed earlier": lambda b: b["times"].update(
        keys_removed=earlier(b["times"]["keys_removed"])
    ),
    "gone earlier": lambda b: b["times"].update(irrecoverable=b["times"]["keys_removed"]),
    "keys never removed": lambda b: b["times"].update(keys_removed=None),
    "not gone yet": lambda b: b["times"].update(irrecoverable=None),
    "taken back": lambda b: b["times"].update(cancelled=b["times"]["irrecoverable"]),
    "held": lambda b: b["times"].update(held_until="2027-01-01T00:00:00.000Z"),
    "access ended before it was asked": lambda b: b["times"].update(
        access_ended="2026-01-31T09:29:59.999Z"
    ),
    "access ended after the keys went": lambda b: b["times"].update(
        access_ended=b["times"]["irrecoverable"]
    ),
    "asked after it was logged": lambda b: b["times"].update(requested="2026-01-31T09:30:00.021Z"),
    "cool-off over before it was asked": lambda b: b["times"].update(
        cool_off_ends="2026-01-01T00:00:00.000Z"
    ),
    "issued before the last step": lambda b: b.update(issued=b["times"]["keys_removed"]),
    "a step after the receipt": lambda b: b["steps"][0].update(at="2030-01-01T00:00:00.000Z"),
    "a step before the request": lambda b: b["steps"][0].update(at="2020-01-01T00:00:00.000Z"),
    "a store that is no word": lambda b: b["steps"][0].update(store="all of <b>them</b>"),
    "a method that is no word": lambda b: b["steps"][0].update(method=""),
    "another state": lambda b: b.update(state="keys_removed"),
    "another name": lambda b: b.update(document="status"),
    "done, as a number": lambda b: b.update(done=1),
    "another controller": lambda b: b.update(controller="example.com/volens"),
    "another version": lambda b: b.update(version="volens-erasure-receipt/v2"),
    "no version": lambda b: b.pop("version"),
    "no steps at all": lambda b: b.pop("steps"),
    "one member more": lambda b: b.update(note="gone"),
    "one time more": lambda b: b["times"].update(archived=None),
    "a contact of two lines": lambda b: b.update(contact="a\nb"),
    "no reference": lambda b: b.update(reference="12345"),
    "a chat twice": lambda b: b.update(conversations=[CHAT, CHAT]),
    "a chat that is no id": lambda b: b.update(conversations=["all"]),
    "a list that is none": lambda b: b.update(log={}),
    "an object that is none": lambda b: b.update(times=[]),
    "text that is none": lambda b: b.update(contact=7),
    "a moment that is none": lambda b: b.update(issued="today"),
    "an unknown scope": lambda b: b.update(scope="everything"),
    "a count that is none": lambda b: b["log"][1]["opening"].update(count=True),
    "a count of another group": lambda b: b["log"][1]["opening"].update(count=4),
    "a group where there is none": lambda b: b["log"][0]["opening"].update(count=1),
    "none where there is a group": lambda b: b["log"][1]["opening"].update(
        count=0, place=0, path=[]
    ),
    "a path without a group": lambda b: b["log"][0]["opening"].update(path=["00" * 32]),
    "another place": lambda b: b["log"][1]["opening"].update(place=0),
    "a place outside": lambda b: b["log"][1]["opening"].update(place=-1),
    "a salt in capitals": lambda b: b["log"][0]["opening"].update(
        salt=b["log"][0]["opening"]["salt"].upper()
    ),
    "a salt too short": lambda b: b["log"][0]["opening"].update(salt="00"),
    "another salt": lambda b: b["log"][0]["opening"].update(salt="00" * 32),
    "a hash too short": lambda b: b["log"][1]["opening"].update(path=["00"]),
}


@pytest.mark.parametrize("change", CHANGES, ids=lambda name: name.replace(" ", "-"))
def test_nobody_can_say_it_early_or_otherwise_even_with_the_key(
    erasing: Erasing, change: str
) -> None:
    body = json.loads(erasing.done())
    assert verify_receipt(signed(body), VERIFIER).receipt.done
    CHANGES[change](body)
    refused(body)


def test_a_status_can_not_be_dressed_up_as_a_receipt(erasing: Erasing) -> None:
    name = erasing.ask()
    asked = json.loads(erasing.receipt(name))
    erasing.remove_keys([name])
    removed = json.loads(erasing.receipt(name))
    now = format_moment(erasing.clock.now() + timedelta(seconds=1))
    dress = {"state": "irrecoverable", "done": True, "document": "receipt", "issued": now}
    for body in (asked, removed):
        refused({**body, **dress, "times": {**body["times"], "irrecoverable": now}})
        times = {**body["times"], "keys_removed": now, "irrecoverable": now}
        refused({**body, **dress, "times": times})
    early = {**asked, "state": "keys_removed"}
    refused({**early, "issued": now, "times": {**asked["times"], "keys_removed": now}})
    steps = [{"store": "keys", "method": "key_removed", "at": asked["issued"]}]
    refused({**asked, "steps": steps}, "before any key was removed")


def leaves(body: object, at: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Return the way to each member of a document that is neither object nor list."""
    if isinstance(body, dict):
        return [way for name, value in body.items() for way in leaves(value, (*at, name))]
    if isinstance(body, list):
        return [way for place, value in enumerate(body) for way in leaves(value, (*at, place))]
    return [at]


DONE = json.loads(Erasing().done())
START = datetime.fromisoformat("2026-01-01T00:00:00.000Z")
MILLI = timedelta(milliseconds=1)
STATED = {"contact", "issued", "steps", "cool_off_ends", "access_ended", "requested"}
"""What the controller states and the log does not prove."""


@given(
    way=st.sampled_from(leaves({name: DONE[name] for name in DONE if name != "signature"})),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-1, 2**53 - 1),
        st.text(max_size=40),
        st.sampled_from([word.value for word in (*ErasureState, *ErasureScope, *DocumentKind)]),
        st.integers(0, 150 * 86_400_000).map(lambda millis: format_moment(START + MILLI * millis)),
    ),
)
def test_whatever_the_key_signs_nothing_that_is_proven_can_be_changed(
    way: tuple[str | int, ...], value: object
) -> None:
    body = json.loads(json.dumps(DONE))
    inner = body
    for part in way[:-1]:
        inner = inner[part]
    same = inner[way[-1]] == value and type(inner[way[-1]]) is type(value)
    inner[way[-1]] = value
    try:
        found = verify_receipt(signed(body), VERIFIER).receipt
    except VerificationFailed:
        assert not same
        return
    assert same or STATED & set(map(str, way))
    assert found.done
    assert (
        format_moment(found.times.irrecoverable or found.issued) == DONE["times"]["irrecoverable"]
    )


@given(st.integers(1, 70), st.data())
def test_in_a_group_of_any_size_each_has_a_receipt_and_nobody_elses(
    count: int, data: st.DataObject
) -> None:
    erasing = Erasing()
    names = [erasing.ask() for _ in range(count)]
    erasing.remove_keys(names)
    erasing.finish(names)
    mine, other = (data.draw(st.sampled_from(names)) for _ in range(2))
    body = json.loads(erasing.receipt(mine))
    assert verify_receipt(signed(body), VERIFIER).receipt.done
    if mine != other:
        refused({**body, "reference": other})


def test_a_hold_that_is_over_is_no_reason(erasing: Erasing) -> None:
    name = erasing.ask()
    erasing.hold(name, erasing.clock.now() + DAY)
    erasing.clock.step(DAY - timedelta(milliseconds=1))
    assert shown(erasing.receipt(name)).receipt.state is ErasureState.HELD
    erasing.clock.step(timedelta(milliseconds=1))
    assert shown(erasing.receipt(name)).receipt.state is ErasureState.ACCESS_ENDED


def test_keys_removed_by_another_act_than_the_one_shown_are_refused(erasing: Erasing) -> None:
    name = erasing.ask()
    erasing.remove_keys([name])
    first = json.loads(erasing.receipt(name))
    erasing.remove_keys([name])
    second = json.loads(erasing.receipt(name))
    mixed = {**second, "log": [second["log"][0], first["log"][1], second["log"][2]]}
    refused(mixed, "another act")


def test_witnesses_can_be_asked_for(erasing: Erasing) -> None:
    name = erasing.ask()
    erasing.receipt(name)
    checkpoint = erasing.log.checkpoint
    text = checkpoint.decode().split("\n\n")[0] + "\n"
    cosigned = WITNESS.cosign_text(text, timestamp=1_800_000_000).line().encode()
    erasing.log.add_cosignatures(checkpoint + cosigned, [WITNESS.verifier])
    evidence = Evidence(erasure=name, steps=tuple(erasing.steps[name]))
    data = issue_receipt(
        erasing.erasures[name],
        prove_steps(evidence, erasing.log),
        contact=CONTACT,
        issued=erasing.clock.now(),
        signer=SIGNER,
    )
    keys = [WITNESS.verifier, SECOND.verifier]
    assert verify_receipt(data, VERIFIER, cosigners=keys, witnesses=1).receipt.reference == name
    with pytest.raises(VerificationFailed):
        verify_receipt(data, VERIFIER, cosigners=keys, witnesses=2)
    assert kinds(data) == [EntryKind.ERASURE_REQUESTED.value]


def test_the_receipt_names_no_person_and_the_log_not_even_the_reference(erasing: Erasing) -> None:
    data = erasing.done()
    body = json.loads(data)
    assert b"sub_" not in data
    for one in body["log"]:
        assert body["reference"] not in one["entry"]
