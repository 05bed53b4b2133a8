"""Interface of this room for doors (skeleton; the modules named here come with the next commits).

Get the parts with `volens.app.safety.safety_of(home) -> Safety` inside an act of the home's thread.
`who` is always the `Principal` of the member of staff (``kind=STAFF``, ``account``, ``roles``).

    safety.terms() -> tuple[ClassTerms, ...]
        The classes that may be opened here, with role, longest time, one or two persons.
    safety.queue.items(who, skip=0, limit=100) -> list[QueueItem]; safety.queue.count(who) -> int
        What was flagged or reported: metadata only; role ``trust_and_safety``, else Denied.
    safety.flags.raise_flag(held, turns=(3,), category=..., severity=..., classifier="x-v1") -> Flag
        For classifiers; the same flag again changes nothing. `safety.flags.listed(skip, limit)`.
    safety.cases.open(who, exception=ExceptionClass, turns={conversation: (1, 2)}, reason=CaseReason,
        record=Immediacy|Finding|Abuse|Validity, days=int|None, gag=Gag|None) -> Case
        Raises Denied (exception_role, exception_not_flagged, exception_class; `Refused` for an
        informal or invalid order, which is logged and opens nothing), InvalidInput, NotFound.
    safety.cases.approve(who, case_id) -> Case; .refuse(who, case_id); .close(who, case_id)
    safety.cases.listed(who) -> list[Case]; safety.cases.find(who, case_id) -> Case
        Cases one is on, those that wait for one's approval; officers and auditors see all (metadata).
    safety.cases.look(who, case_id, conversation) -> Look
        The only way to text: named turns only, logged durably before, under a lease of 15 minutes
        at most. Call it anew for each page view; a former lease of the same view ends.
    safety.cases.look_away(who, lease_number) -> None
        Ends the lease (a "done" button, sign-out, or the page's end); idempotent.
    safety.cases.leases(who, case_id) -> list[Lease]: who looked, when, how long.
    safety.rating.records(who, limit=20) -> list[ConversationId]; safety.rating.look(who, id) -> Look
        Raters: only what was granted for human_feedback.
    safety.notices.of_subject(subject: Subject) -> list[Notice]   (the person's page)
    safety.notices.answer(subject: Subject, case_id, KeepAnswer.KEEP | KeepAnswer.ERASE) -> Notice
    safety.basics.of(who, name) -> AccountBasics
        Support: plan, tier, region, status, since when; no conversation data at all.
    safety.run(now) -> SafetyRun(ended, expired, told, erased)
        The schedule: ends leases that ran out, expires cases, tells people, acts on answers.
"""
