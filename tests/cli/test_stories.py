"""What people do with the program, from a first home to a proof, as a shell sees it."""

import json
import zipfile
from pathlib import Path

import pytest

from tests.cli.driving import HELLO, Shell, write_chats
from volens.core.purposes import CONSENT_PURPOSES


def test_a_home_is_made_once_and_says_its_key(nowhere: Shell) -> None:
    made = nowhere.json("init", "--region", "ca")
    assert made["region"] == "ca"
    assert "+" in made["verifier_key"]
    assert nowhere.json("log", "show")["verifier_key"] == made["verifier_key"]
    again = nowhere.run("init")
    assert (again.code, "is a home already" in again.err) == (2, True)


def test_without_a_home_a_command_says_how_to_make_one(nowhere: Shell) -> None:
    said = nowhere.run("subject", "list")
    assert said.code == 2
    assert said.err.startswith("error: there is no home at")
    assert "volens init" in said.err


def test_an_import_grants_nothing_to_anybody(shell: Shell, tmp_path: Path) -> None:
    write_chats(tmp_path / "a.jsonl", 4)
    shell.ok("import", tmp_path / "a.jsonl", "--subject", "ann")
    for purpose in CONSENT_PURPOSES:
        said = shell.run("ask", "ann", purpose.value)
        assert said.code == 3
        assert said.out.startswith("No: ")


def test_an_import_repeated_changes_nothing(shell: Shell, tmp_path: Path) -> None:
    write_chats(tmp_path / "a.jsonl", 4)
    first = shell.json("import", tmp_path, "--subject", "ann")
    again = shell.json("import", tmp_path, "--subject", "ann")
    assert (first["added"], first["accounts_created"]) == (4, 1)
    assert (again["added"], again["known"], again["accounts_created"]) == (0, 4, 0)


def test_a_file_without_an_account_is_refused_and_the_answer_names_the_option(
    shell: Shell, tmp_path: Path
) -> None:
    write_chats(tmp_path / "a.jsonl", 2)
    said = shell.run("import", tmp_path / "a.jsonl")
    assert said.code == 2
    assert "--subject" in said.out
    assert shell.json("subject", "list")["total"] == 0


def test_one_yes_opens_one_purpose_for_one_person(shell: Shell) -> None:
    shell.chats("ann")
    shell.chats("bob")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    assert shell.run("ask", "ann", "batch_training").code == 0
    assert shell.run("ask", "ann", "safety_training").code == 3
    assert shell.run("ask", "bob", "batch_training").code == 3
    plan = shell.json("build", "batch_training", "--dry-run")
    assert (plan["records"], plan["excluded"]) == (3, {"no_grant": 3})


def test_granting_shows_the_notice_and_needs_a_yes(shell: Shell) -> None:
    shell.add("ann")
    said = shell.run("consent", "grant", "ann", "batch_training")
    assert said.code == 2
    assert "May we train models on your chats?" in said.out
    assert "--yes" in said.err
    assert shell.run("ask", "ann", "batch_training").code == 3
    german = shell.run(
        "consent", "grant", "ann", "batch_training", "--yes", "--notice-language", "de"
    )
    assert "?" in german.out
    assert "May we train" not in german.out


def test_a_yes_is_taken_back_with_no_more_words_than_it_took(shell: Shell) -> None:
    shell.add("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    said = shell.ok("consent", "withdraw", "ann", "batch_training")
    assert "It holds from now on" in said.out
    answer = shell.json("ask", "ann", "batch_training", code=3)
    assert answer["reasons"] == ["grant_withdrawn"]


def test_withdrawing_without_a_purpose_takes_everything_back(shell: Shell) -> None:
    shell.add("ann")
    for purpose in ("batch_training", "safety_training"):
        shell.ok("consent", "grant", "ann", purpose, "--yes")
    done = shell.json("consent", "withdraw", "ann")
    assert sorted(done["purposes"]) == ["batch_training", "safety_training"]
    assert (
        shell.json("consent", "withdraw", "bobless", code=2)["error"]["code"] == "subject_unknown"
    )


def test_the_same_event_id_counts_once_and_another_choice_under_it_is_refused(
    shell: Shell,
) -> None:
    shell.add("ann")
    event = "evt_" + "a" * 26
    words = ("consent", "grant", "ann", "batch_training", "--yes", "--event-id", event)
    assert shell.run(*words, "--json").document["new"] == 1
    size = shell.json("log", "show")["size"]
    assert shell.run(*words, "--json").document["new"] == 0
    assert shell.json("log", "show")["size"] == size
    other = shell.json("consent", "withdraw", "ann", "batch_training", "--event-id", event, code=2)
    assert other["error"]["code"] == "event_conflict"


def test_a_named_yes_opens_only_what_it_names(shell: Shell) -> None:
    shell.add("pia", "--plan", "pro")
    shell.ok("consent", "grant", "pia", "batch_training", "--yes", "--dataset", "spring")
    assert shell.run("ask", "pia", "batch_training", "--dataset", "spring").code == 0
    assert shell.run("ask", "pia", "batch_training", "--dataset", "autumn").code == 3
    two = shell.json(
        "consent", "grant", "pia", "batch_training", "--dataset", "a", "--run", "b", code=2
    )
    assert two["error"]["code"] == "scope_form"


def test_an_expiry_is_a_day_to_come(shell: Shell) -> None:
    shell.add("ann")
    words = ("consent", "grant", "ann", "batch_training", "--yes", "--expires")
    assert shell.json(*words, "2001-01-01", code=2)["error"]["code"] == "date_past"
    assert shell.json(*words, "soon", code=2)["error"]["code"] == "date_form"
    shell.ok(*words, "2999-01-31")
    assert shell.json("ask", "ann", "batch_training")["valid_until"] == "2999-01-31T23:59:59.000Z"


def test_an_objection_stops_a_use_that_needs_no_yes(shell: Shell) -> None:
    shell.add("ann")
    assert shell.run("ask", "ann", "safety_monitoring").code == 0
    shell.ok("consent", "object", "ann", "safety_monitoring")
    assert shell.json("ask", "ann", "safety_monitoring", code=3)["reasons"] == ["objection_upheld"]
    shell.ok("consent", "object", "ann", "safety_monitoring", "--lift")
    assert shell.run("ask", "ann", "safety_monitoring").code == 0


@pytest.mark.parametrize(
    ("purpose", "reason"), [("sale", "prohibited"), ("world_peace", "purpose_unknown")]
)
def test_what_can_never_be_is_denied_with_its_reason(
    shell: Shell, purpose: str, reason: str
) -> None:
    shell.add("ann")
    assert reason in shell.json("ask", "ann", purpose, code=3)["reasons"]


def test_nobody_can_grant_what_is_prohibited(shell: Shell) -> None:
    shell.add("ann")
    said = shell.json("consent", "grant", "ann", "sale", "--yes", code=3)
    assert said["error"]["code"] == "prohibited"


def test_a_decision_is_replayed_under_another_version(shell: Shell) -> None:
    shell.add("pia", "--plan", "pro")
    shell.ok("consent", "grant", "pia", "safety_training", "--yes")
    now = shell.json("ask", "pia", "safety_training")
    assert now["policy"]["version"] == "tiers-2025-05"
    said = shell.run("ask", "pia", "safety_training", "--policy", "usage-policy-2024", "--json")
    assert said.document["policy"]["version"] == "usage-policy-2024"
    unknown = shell.json("ask", "pia", "safety_training", "--policy", "nowhere@1", code=2)
    assert unknown["error"]["code"] == "pack_unknown"


def test_an_excluded_conversation_stays_out_until_it_is_included(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    shell.ok("conversation", "exclude", first)
    assert shell.json("ask", first, "batch_training", code=3)["reasons"] == ["signal_excluded"]
    assert shell.json("build", "batch_training", "--dry-run")["records"] == 2
    shell.ok("conversation", "include", first)
    assert shell.run("ask", first, "batch_training").code == 0


def test_an_organisation_opens_the_door_and_the_person_says_yes(shell: Shell) -> None:
    shell.add("eve", "--plan", "business", "--organisation", "acme")
    shell.ok("consent", "grant", "eve", "safety_training", "--yes")
    assert shell.run("ask", "eve", "safety_training").code == 3
    shell.ok("organisation", "instruct", "acme", "safety_training")
    assert shell.run("ask", "eve", "safety_training").code == 0
    assert shell.json("organisation", "list")["organisations"] == {"acme": ["safety_training"]}
    for outside in ("sale", "keep_history"):
        refused = shell.json("organisation", "instruct", "acme", outside, code=2)
        assert refused["error"]["code"] == "outside_matrix"
    shell.ok("organisation", "instruct", "acme", "safety_training", "legal_order")
    shell.ok("organisation", "instruct", "acme", "--nothing")
    assert shell.run("ask", "eve", "safety_training").code == 3


def test_an_account_is_changed_and_a_restriction_blocks_it(shell: Shell) -> None:
    shell.add("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    shell.ok("subject", "set", "ann", "--status", "restricted")
    assert "blocked_restricted" in shell.json("ask", "ann", "batch_training", code=3)["reasons"]
    shell.ok("subject", "set", "ann", "--status", "active", "--plan", "pro", "--tier", "restricted")
    assert "tier_never" in shell.json("ask", "ann", "batch_training", code=3)["reasons"]
    shell.ok("subject", "set", "ann", "--tier", "public")
    assert shell.run("ask", "ann", "batch_training").code == 0
    no_such = shell.json("subject", "set", "ann", "--tier", "isolated", code=2)
    assert no_such["error"]["code"] == "tier_not_offered"
    assert shell.json("subject", "set", "ann", code=2)["error"]["code"] == "nothing_given"


def test_content_is_shown_only_when_asked_for_and_the_log_knows(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    assert HELLO not in shell.ok("conversation", "show", first).out
    assert HELLO not in shell.ok("conversation", "list", "ann").out
    before = shell.json("log", "show")["size"]
    said = shell.ok("conversation", "show", first, "--show-content")
    assert HELLO in " ".join(said.out.split())
    entries = shell.json("log", "show", "--last", 2)["entries"]
    assert shell.json("log", "show")["size"] == before + 2
    assert [entry["kind"] for entry in entries] == ["access.intent", "access.done"]
    assert (entries[0]["actor"], entries[0]["reason"]) == ("subject", "subject_request")


def test_content_stays_closed_for_a_purpose_that_is_denied(shell: Shell) -> None:
    first, *_ = shell.chats("ann")
    said = shell.run("conversation", "show", first, "--show-content", "--purpose", "batch_training")
    assert (said.code, said.out) == (3, "")


def test_a_dataset_is_built_checked_and_built_again_without_who_left(
    shell: Shell, tmp_path: Path
) -> None:
    shell.chats("ann")
    chats = shell.chats("bob", text="Which tram goes to the harbour?")
    for name in ("ann", "bob"):
        shell.ok("consent", "grant", name, "batch_training", "--yes")
    vkey = shell.json("log", "show")["verifier_key"]
    first = shell.json("build", "batch_training", "--out", "first")
    assert (first["records"], first["format"], first["disclosure"]) == (6, "sealed", False)
    assert first["log_checkpoint"].startswith(vkey.split("+")[0])
    member = shell.json("prove", "first", chats[0], "--out", "in.json")
    assert member["kind"] == "member"
    shell.ok("consent", "withdraw", "bob")
    second = shell.json("build", "batch_training", "--out", "second")
    assert (second["records"], second["excluded"]) == (3, {"grant_withdrawn": 3})
    absent = shell.json("prove", second["dataset"], chats[0], "--out", "out.json")
    assert absent["kind"] == "absent"
    stranger = Shell(tmp_path / "no-home", shell.keys)
    checked = stranger.json("verify", "first", "second", "in.json", "out.json", "--key", vkey)
    assert checked["verified"] is True
    assert checked["key_from"] == "argument"
    assert [item["kind"] for item in checked["items"]] == [
        "dataset",
        "dataset",
        "proof of membership",
        "proof of absence",
    ]


def test_a_new_version_is_built_without_who_left_and_names_the_old_one(
    shell: Shell, tmp_path: Path
) -> None:
    for name in ("ann", "bob"):
        shell.chats(name)
        shell.ok("consent", "grant", name, "batch_training", "--yes")
    old = shell.json(
        "build",
        "batch_training",
        "--out",
        tmp_path / "old",
        "--format",
        "trl",
        "--recipient",
        "Trainers",
    )
    shell.ok("consent", "withdraw", "bob", "batch_training")
    would = shell.json("revise", old["dataset"], "--dry-run")
    assert (would["left_out"], would["revises"]) == (old["records"] // 2, old["dataset"])
    new = shell.json("revise", tmp_path / "old", "--out", tmp_path / "new")
    assert (new["revises"], new["records"]) == (old["dataset"], old["records"] // 2)
    assert shell.run("verify", tmp_path / "new").code == 0


def test_a_plain_form_says_that_it_is_a_disclosure(shell: Shell) -> None:
    shell.chats("ann", 12)
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    said = shell.ok(
        "build", "batch_training", "--out", "plain", "--format", "openai", "--recipient", "Trainers"
    )
    assert "a disclosure" in " ".join(said.out.split())
    assert shell.run("build", "batch_training", "--out", "plain").code == 2


def test_who_gets_a_copy_in_the_clear_is_said_and_shown_to_everybody_in_it(
    shell: Shell, tmp_path: Path
) -> None:
    shell.chats("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    build = ["build", "batch_training", "--out", tmp_path / "set", "--format", "trl"]
    unsaid = shell.run(*build)
    assert (unsaid.code, "nobody said who gets it" in unsaid.err) == (2, True)
    broken = shell.run(*build, "--recipient", "two\nlines")
    assert (broken.code, "one line" in broken.err) == (2, True)
    sealed = shell.run("build", "batch_training", "--out", "sealed", "--recipient", "Ed")
    assert (sealed.code, "nobody gets a sealed dataset" in sealed.err) == (2, True)
    made = shell.json(*build, "--recipient", "Trainers & Co.")
    assert made["recipient"] == "Trainers & Co."
    shell.ok("export", "ann", "--out", tmp_path / "copy.zip")
    with zipfile.ZipFile(tmp_path / "copy.zip") as copy:
        listed = json.loads(copy.read("disclosures.json"))
    assert "Trainers & Co." in json.dumps(listed)


def test_one_changed_byte_fails_and_says_where(shell: Shell) -> None:
    shell.chats("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    shell.ok(
        "build", "batch_training", "--out", "set", "--format", "trl", "--recipient", "Trainers"
    )
    victim = next(Path("set/data").iterdir())
    data = bytearray(victim.read_bytes())
    data[len(data) // 2] ^= 1
    victim.write_bytes(data)
    said = shell.run("verify", "set")
    assert said.code == 4
    assert victim.name in said.out
    assert "proves nothing" in " ".join(said.out.split())


def test_without_any_key_nothing_is_verified(nowhere: Shell, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"{}")
    said = nowhere.json("verify", tmp_path / "x", code=2)
    assert said["error"]["code"] == "key_missing"


def test_a_receipt_holds_without_the_home(shell: Shell, tmp_path: Path) -> None:
    shell.add("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    vkey = shell.json("log", "show")["verifier_key"]
    shell.ok("consent", "receipt", "ann", "batch_training", "--out", "r.json")
    stranger = Shell(tmp_path / "no-home", shell.keys)
    assert "grant batch_training" in stranger.ok("verify", "r.json", "--key", vkey).out
    receipt = Path("r.json")
    receipt.write_bytes(receipt.read_bytes().replace(b"batch_training", b"human_feedback"))
    assert stranger.run("verify", "r.json", "--key", vkey).code == 4


def test_the_log_is_read_proved_and_checked(shell: Shell) -> None:
    shell.add("ann")
    shown = shell.json("log", "show", "--last", 3)
    assert len(shown["entries"]) == 3
    shell.ok("log", "checkpoint", "--out", "point")
    shell.ok("log", "prove", 2, "--out", "e.tlog-proof")
    vkey = shown["verifier_key"]
    checked = shell.json("verify", "point", "e.tlog-proof", shell.folder / "log", "--key", vkey)
    assert [item["kind"] for item in checked["items"]] == ["checkpoint", "log entry", "log"]
    assert shell.json("log", "prove", 99, "--out", "f", code=2)["error"]["code"] == "no_entry"


def test_a_policy_is_activated_after_its_difference_was_shown(shell: Shell) -> None:
    shell.add("ann")
    plan = shell.json("policy", "activate", "consent-first@usage-policy-2024", "--dry-run")
    assert plan["after"]["version"] == "usage-policy-2024"
    assert plan["people"] == 1
    shell.ok("policy", "activate", "consent-first@usage-policy-2024")
    in_force = shell.json("policy", "list")["in_force"]
    assert [one["version"] for one in in_force] == ["tiers-2025-05", "usage-policy-2024"]
    refused = shell.json("policy", "activate", "opt-out-by-hand", code=3)
    assert refused["error"]["code"] == "comparison_pack"


def test_the_doctor_sees_a_new_home_and_names_what_is_near(shell: Shell) -> None:
    found = {one["check"]: one for one in shell.json("doctor")["findings"]}
    assert found["log"]["level"] == "ok"
    assert found["witness"]["level"] == "look"
    assert found["keys"]["level"] == "look"


def test_the_doctor_calls_keys_inside_the_home_broken(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.keys.rename(shell.folder / "kek")
    monkeypatch.setenv("VOLENS_KEK_DIR", str(shell.folder / "kek"))
    said = shell.run("doctor", "--json")
    assert said.code == 4
    levels = {one["check"]: one["level"] for one in said.document["findings"]}
    assert levels["keys"] == "BAD"


def test_the_demo_ends_with_a_proof_and_leaves_nothing(nowhere: Shell) -> None:
    pytest.importorskip("chatterbot_corpus", reason="the demo's dialogues are not installed")
    told = nowhere.json("demo")
    assert told["usable_at_first"] == 0
    assert told["second"]["records"] < told["first"]["records"]
    assert (told["proof"], told["kept"]) == ("absent", None)
    assert told["after_erasure"] == ["blocked_erasing"]
    assert (told["erasure"], told["probe"]) == ("irrecoverable", 0)
    assert told["receipt"]["done"] is True
    assert not nowhere.folder.exists()


def test_the_demo_is_kept_where_it_was_asked_to_be(nowhere: Shell) -> None:
    pytest.importorskip("chatterbot_corpus", reason="the demo's dialogues are not installed")
    said = nowhere.run("demo", "--out", "tour")
    assert (said.code, "VOLENS_HOME=tour/home" in said.out) == (0, True)
    assert Path("tour/home/volens.json").exists()
    assert all(len(text) <= 80 for text in said.lines())


def test_a_kept_demo_is_checked_offline_and_alarms_over_nothing_but_its_keys(
    nowhere: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("chatterbot_corpus", reason="the demo's dialogues are not installed")
    nowhere.ok("demo", "--out", "tour")
    monkeypatch.setenv("VOLENS_KEK_DIR", "tour/keys")
    home = Shell(Path("tour/home"), Path("tour/keys"))
    key = home.json("log", "show")["verifier_key"]
    assert "erasure receipt" in home.ok("verify", "tour/receipt.json", "--key", key).out
    reference = home.json("receipt", "list")["erasures"][0]["reference"]
    home.ok("receipt", "show", reference, "--out", "page.html", "--contact", "us")
    page = home.run("verify", "page.html", "--key", key)
    assert (page.code, "is for reading only" in page.out + page.err) == (4, True)
    checked = home.run("doctor", "--json")
    odd = {one["check"] for one in checked.document["findings"] if one["level"] != "ok"}
    assert (checked.code, odd) == (0, {"keys", "witness", "region profile"})
    assert home.json("retention", "run")["alarms"] == []


def test_whatever_was_changed_in_what_is_checked_ends_in_exit_code_four(shell: Shell) -> None:
    chats = shell.chats("ann")
    shell.ok("consent", "grant", "ann", "batch_training", "--yes")
    shell.ok("build", "batch_training", "--out", "set")
    shell.ok("prove", "set", chats[0], "--out", "proof.json")
    shell.ok("consent", "receipt", "ann", "--out", "receipt.json")
    shell.ok("log", "checkpoint", "--out", "point")
    vkey = shell.json("log", "show")["verifier_key"]
    for name in ("proof.json", "receipt.json", "point"):
        good = Path(name).read_bytes()
        assert shell.run("verify", name, "--key", vkey).code == 0
        step = max(1, len(good) // 25)
        for at in range(0, len(good), step):
            for bad in (good[:at], good[:at] + bytes([good[at] ^ 1]) + good[at + 1 :]):
                Path(name).write_bytes(bad)
                said = shell.run("verify", name, "--key", vkey, "--json")
                assert (said.code, said.document["verified"]) == (4, False), (name, at)


def test_what_always_holds_is_explained_without_a_word(nowhere: Shell) -> None:
    said = nowhere.json("policy", "explain")
    assert len(said["prohibitions"]) >= 4
    assert {"free", "isolated"} <= set(said["can_explain"])
    for word in said["can_explain"]:
        assert nowhere.json("policy", "explain", word)["text"]
    assert nowhere.json("policy", "explain", "gold", code=2)["error"]["code"] == "plan_unknown"
