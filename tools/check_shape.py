"""House rules that no linter has: short modules, one word per concept, waivers with reasons.

And tests that can fail. Run as ``python tools/check_shape.py [ROOT]``: one line for each finding,
exit 1 if there is one. The words come from the glossary (docs/glossary.md): a word that it bans may
not be, or be a part of, the name of a function, class, parameter, annotated field or table column.
Local variables, enum members and texts are free: an export's own word stays its own.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
MAX_LINES = {"core": 300, "": 400}
WAIVER = re.compile(r"#\s*(?P<kind>noqa|type: ignore|pragma:|pyright: ignore)(?P<rest>[^\n]*)")
REASON = {
    "noqa": re.compile(r": [A-Z]+\d+(, [A-Z]+\d+)* - \w+"),
    "type: ignore": re.compile(r"\[[a-z, -]+\]  # \w+"),
    "pragma:": re.compile(r" no (cover|branch) - \w+"),
    "pyright: ignore": re.compile(r"\[[A-Za-z, -]+\]  # \w+"),
}
TERM_ROW = re.compile(r"^\| \*\*(?P<term>[^*]+)\*\* \|[^|]*\| (?P<banned>[^|]*) \|$", re.MULTILINE)
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
FREE = (("user", "info"),)
"""Words of standards that hold a banned one: the userinfo of RFC 3986, 3.2.1."""
RAISES = re.compile(r"(^|\.)(raises|fail|verify_\w+|check_\w+|require_\w+)$")

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


def banned_words(glossary: str) -> dict[tuple[str, ...], str]:
    """Return each banned word, cut into its parts, with the term to use instead."""
    return {
        tuple(word.split()): row["term"]
        for row in TERM_ROW.finditer(glossary)
        for word in (part.strip().lower() for part in row["banned"].split(","))
        if word
    }


def names_of(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield (line, name) of what `tree` defines for others to see."""
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield node.lineno, name
            case ast.Attribute(value=ast.Name(id="self"), attr=name, ctx=ast.Store()):
                yield node.lineno, name
            case ast.Call(func=ast.Name(id="Column"), args=[ast.Constant(value=str(name)), *_]):
                yield node.lineno, name
            case _:
                pass


def holds(parts: tuple[str, ...], word: tuple[str, ...]) -> bool:
    """Say whether the parts of a name hold those of a word, next to each other."""
    size = len(word)
    return any(parts[at : at + size] == word for at in range(len(parts) - size + 1))


def wrong_words(tree: ast.AST, banned: dict[tuple[str, ...], str]) -> Iterator[str]:
    """Yield ``line: finding`` for each name that holds a banned word."""
    for line, name in names_of(tree):
        parts = tuple(part.lower() for part in WORD.findall(name))
        for word, term in banned.items():
            if holds(parts, word) and not any(holds(parts, free) for free in FREE):
                yield f"{line}: the name '{name}': say '{term}' (docs/glossary.md)"


def bare_waivers(text: str, *, types_checked: bool) -> Iterator[str]:
    """Yield ``line: finding`` for each waiver without its rule and reason."""
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type == tokenize.COMMENT and (waiver := WAIVER.search(token.string)):
            kind, rest = waiver["kind"], waiver["rest"]
            skipped = kind.endswith("ignore") and not types_checked
            if not skipped and not REASON[kind].match(rest):
                yield f"{token.start[0]}: '{waiver[0].strip()}' names no rule and reason"


def functions_of(tree: ast.AST) -> Iterator[FunctionNode]:
    """Yield every function in `tree`."""
    for node in ast.walk(tree):
        if isinstance(node, FunctionNode):
            yield node


def fails_by_itself(function: FunctionNode) -> bool:
    """Say whether `function` asserts something that is not constant, raises, or expects a raise."""
    for node in ast.walk(function):
        match node:
            case ast.Assert(test=ast.Constant()):
                pass
            case ast.Assert() | ast.Raise():
                return True
            case ast.Call(func=called) if RAISES.search(ast.unparse(called)):
                return True
            case _:
                pass
    return False


def called_by(function: FunctionNode) -> set[str]:
    """Return the last words of the names that `function` calls."""
    return {
        ast.unparse(node.func).rpartition(".")[2]
        for node in ast.walk(function)
        if isinstance(node, ast.Call)
    }


def cannot_fail(trees: dict[str, ast.Module]) -> Iterator[str]:
    """Yield a finding for each test that asserts nothing, neither itself nor what it calls."""
    known = {function.name for tree in trees.values() for function in functions_of(tree)}
    failing = {
        function.name
        for tree in trees.values()
        for function in functions_of(tree)
        if fails_by_itself(function)
    }
    grown = True
    while grown:
        more = {
            function.name
            for tree in trees.values()
            for function in functions_of(tree)
            if called_by(function) & known & failing
        }
        grown = not more <= failing
        failing |= more
    for name, tree in trees.items():
        for function in functions_of(tree):
            if not function.name.startswith("test_"):
                continue
            if not fails_by_itself(function) and not called_by(function) & known & failing:
                yield f"{name}:{function.lineno}: {function.name} cannot fail"


def findings(root: Path) -> list[str]:
    """Return one line for each broken house rule under `root`."""
    found: list[str] = []
    banned = banned_words((root / "docs" / "glossary.md").read_text(encoding="utf-8"))
    tests: dict[str, ast.Module] = {}
    for top in ("src", "tools", "tests"):
        for path in sorted((root / top).rglob("*.py")):
            name, text = str(path.relative_to(root)), path.read_text(encoding="utf-8")
            tree = ast.parse(text)
            limit = MAX_LINES["core" if top == "src" and "core" in path.parts else ""]
            if (length := text.count("\n")) > limit and top != "tests":
                found.append(f"{name}: {length} lines, at most {limit}")
            found += [f"{name}:{one}" for one in bare_waivers(text, types_checked=top != "tests")]
            if top == "src":
                found += [f"{name}:{one}" for one in wrong_words(tree, banned)]
            if top == "tests":
                tests[name] = tree
    return found + list(cannot_fail(tests))


if __name__ == "__main__":
    lines = findings(Path(sys.argv[1]) if len(sys.argv) > 1 else HERE)
    print("\n".join(lines), end="\n" if lines else "")
    sys.exit(bool(lines))
