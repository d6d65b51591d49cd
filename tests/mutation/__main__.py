"""The mutation score of the rating engine: every mutant of mutmut against the tests of rating, in one process.

Run: `make mutate` for everything, `make mutate MODULES="steps limits"` for some modules. mutmut makes the mutants (in
`mutants/`, see `[tool.mutmut]` in pyproject.toml) and keeps the verdicts: `mutmut show NAME`, `mutmut browse` work.
What is ours is the loop: mutmut starts pytest anew for each mutant, which takes a second; here the tests are collected
once, and a fork per mutant runs those that reach its function, the likely killers first, up to the first failure. A
rerun decides only what is undecided, survived or has changed; `--fresh` forgets all verdicts.
"""

import argparse
import gc
import json
import os
import random
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from fnmatch import fnmatch
from pathlib import Path
from traceback import format_exc
from typing import Any

import pytest
from mutmut.__main__ import create_mutants
from mutmut.mutation.data import SourceFileMutationData
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.mutation.trampoline import set_mutant_under_test
from mutmut.state import state
from mutmut.utils.file_utils import copy_src_dir, walk_mutatable_files
from mutmut.utils.format_utils import mangled_name_from_mutant_name

_TREE = Path("mutants")
#: What only repeats at length what the table tests and properties ask: 11,527 tariffs; another process.
_TOO_LONG = "not every_real_dutch_tariff and not needs_no_other_part"
_EXAMPLES = 12
#: Tests slower than this are left out by `--quick`: the properties.
_QUICK_SECONDS = 0.05
_LEAST_CPU_SECONDS = 3
_MEMORY_BYTES = 2 << 30
_KILLED, _SURVIVED, _UNTESTED, _TIMED_OUT = 1, 0, 33, 36  # as mutmut writes them down
_BROKEN = 70
_CONSOLE = os.dup(2)
_WORDS = {_KILLED: "killed", _SURVIVED: "survived", _UNTESTED: "no tests", _TIMED_OUT: "timeout", None: "undecided"}


class Loop:
    """A pytest plugin that runs the mutants in the place of the tests."""

    def __init__(self, chosen: argparse.Namespace) -> None:
        self._chosen = chosen
        self._failed = False
        self._reach: dict[str, list[int]] = {}
        self._seconds: list[float] = []
        self.broken = False

    def pytest_configure(self) -> None:
        """Let properties try a few examples, the same in every run; before the tests are imported."""
        from hypothesis import HealthCheck, Phase, settings  # pytest wants to rewrite it first

        settings.register_profile(
            "mutation",
            max_examples=_EXAMPLES,
            derandomize=True,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        settings.load_profile("mutation")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Remember a failure."""
        self._failed = self._failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Learn which tests reach which function, then decide the mutants module by module."""
        import hub

        assert Path(hub.__path__[0]).resolve().is_relative_to(_TREE.resolve()), "the mutated copy must be imported"
        # The first to ask for it clears away old ones: once is enough.
        session.config._tmp_path_factory.getbasetemp()  # type: ignore[attr-defined]
        gc.collect()
        gc.freeze()
        gc.disable()
        if not self._learn(session.items):
            self.broken = True
            return True
        for path in sorted(walk_mutatable_files()):
            if not self._chosen.modules or any(fnmatch(path.stem, name) for name in self._chosen.modules):
                self._decide(path, session.items)
        return True

    def _run(self, items: Sequence[pytest.Item], after: Callable[[int, float], bool]) -> None:
        """Run tests; `after` gets each one's place and seconds and says whether to go on.

        What one test has compiled another would find in the cache, and not seem to reach the code that compiles.
        """
        caches = _caches()
        for place, item in enumerate(items):
            for cache in caches:
                cache.cache_clear()
            began = time.process_time()
            following = items[place + 1] if place + 1 < len(items) else None
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if not after(place, time.process_time() - began):
                return

    def _learn(self, items: Sequence[pytest.Item]) -> bool:
        """Run all tests unmutated in a child, noting the functions each reaches."""
        notes = _TREE / "reach.json"

        def run() -> int:
            reach: dict[str, list[int]] = {}
            seconds: list[float] = []
            set_mutant_under_test("stats")
            state()._stats.clear()

            def after(place: int, spent: float) -> bool:
                seconds.append(spent)
                for function in state()._stats:
                    reach.setdefault(function, []).append(place)
                state()._stats.clear()
                if self._failed:
                    os.write(_CONSOLE, f"fails unmutated: {items[place].nodeid}\n".encode())
                return not self._failed

            self._run(items, after)
            notes.write_text(json.dumps([reach, seconds]))
            return int(self._failed)

        if _in_child(run, 3600, quiet=not self._chosen.debug) != 0:
            return False
        self._reach, self._seconds = json.loads(notes.read_text())
        print(f"\n{len(items)} tests, {sum(self._seconds):.1f} s")
        return True

    def _decide(self, path: Path, items: Sequence[pytest.Item]) -> None:
        data = SourceFileMutationData(path=path)
        data.load()
        names = list(data.exit_code_by_key)
        if not names:
            return
        if self._chosen.sample:
            names = random.Random(self._chosen.seed).sample(names, min(len(names), self._chosen.sample))
        again = (None,) if self._chosen.undecided else (None, _SURVIVED, _UNTESTED)
        pending = [name for name in names if data.exit_code_by_key[name] in again]
        killers: dict[str, Counter[int]] = {}
        everywhere: Counter[int] = Counter()
        began = time.monotonic()
        for count, name in enumerate(pending):
            function = mangled_name_from_mutant_name(name)
            order = self._order(function, killers.setdefault(function, Counter()), everywhere)
            verdict, killer = self._verdict(name, order, items)
            data.exit_code_by_key[name] = verdict
            if killer is not None:
                killers[function][killer] += 1
                everywhere[killer] += 1
            if count % 50 == 49:
                data.save()
        data.save()
        found = Counter(_WORDS[data.exit_code_by_key[name]] for name in names)
        caught = found["killed"] + found["timeout"]
        score = 100 * caught / len(names) if names else 100
        print(
            f"{path.stem:14} {len(names):5} mutants {caught:5} caught {score:6.1f} %  {dict(found)}"
            f"  ({len(pending)} run in {time.monotonic() - began:.0f} s)",
            flush=True,
        )

    def _order(self, function: str, killers: Counter[int], everywhere: Counter[int]) -> list[int]:
        """Return the tests that reach a function: those that killed there or elsewhere first, then the short ones."""
        reached = self._reach.get(function, [])
        if self._chosen.quick:
            reached = [place for place in reached if self._seconds[place] < _QUICK_SECONDS]
        return sorted(reached, key=lambda place: (-killers[place], -everywhere[place], self._seconds[place]))

    def _verdict(self, name: str, order: list[int], items: Sequence[pytest.Item]) -> tuple[int, int | None]:
        if not order:
            return _UNTESTED, None
        notes = _TREE / "killer"
        notes.unlink(missing_ok=True)

        def run() -> int:
            set_mutant_under_test(name)

            def after(place: int, _: float) -> bool:
                if self._failed:
                    notes.write_text(str(order[place]))
                    os._exit(_KILLED)
                return True

            self._run([items[place] for place in order], after)
            return _SURVIVED

        limit = _LEAST_CPU_SECONDS + int(5 * sum(self._seconds[place] for place in order))
        code = _in_child(run, limit, quiet=True)
        if code in {-signal.SIGXCPU, -signal.SIGKILL}:
            return _TIMED_OUT, None
        return (_SURVIVED, None) if code == 0 else (_KILLED, int(notes.read_text()) if notes.exists() else None)


def _caches() -> list[Any]:
    modules = [module for name, module in sys.modules.items() if name.startswith("hub.domain.")]
    return [each for module in modules for each in vars(module).values() if hasattr(each, "cache_clear")]


def _in_child(work: Callable[[], int], cpu_seconds: int, *, quiet: bool) -> int:
    """Fork, work, and return the exit code; negative where a signal ended it."""
    sys.stdout.flush()
    pid = os.fork()
    if pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code not in {_BROKEN, -signal.SIGTERM}, "the loop failed in its child; see above"
        return code
    try:
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
        if quiet:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, 1)
            os.dup2(nowhere, 2)
        os._exit(work())
    finally:
        # Only the loop itself fails to here: pytest catches what tests and mutants raise.
        os.write(_CONSOLE, format_exc().encode())
        os._exit(_BROKEN)


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__.partition("\n")[0])
    parser.add_argument("modules", nargs="*", help="names of modules of hub.domain.rating; all without one")
    parser.add_argument("--fresh", action="store_true", help="make the mutants anew and forget all verdicts")
    parser.add_argument("--undecided", action="store_true", help="try no survivor again")
    parser.add_argument("--tests", help="only these, as pytest's -k: new ones against what survived the others")
    parser.add_argument("--quick", action="store_true", help="leave the properties out")
    parser.add_argument("--sample", type=int, default=0, help="decide only so many mutants of each module")
    parser.add_argument("--seed", type=int, default=1, help="of the sample")
    parser.add_argument("--show", action="store_true", help="run nothing; print what survived")
    parser.add_argument("--table", action="store_true", help="run nothing; print the scores for the documentation")
    parser.add_argument("--debug", action="store_true", help="show the output of the first, unmutated run")
    return parser.parse_args(arguments)


def _show(modules: Sequence[str]) -> None:
    for path in sorted(walk_mutatable_files()):
        if modules and not any(fnmatch(path.stem, name) for name in modules):
            continue
        data = SourceFileMutationData(path=path)
        data.load()
        for name, code in data.exit_code_by_key.items():
            if code in (_SURVIVED, _UNTESTED):
                changed = [
                    line
                    for line in get_diff_for_mutant(name, path=path).splitlines()[3:]
                    if line.startswith(("-", "+")) and line.strip() not in ("-", "+")
                ]
                print(f"# {name.removeprefix('hub.domain.rating.')}: {_WORDS[code]}", *changed, sep="\n")


def _table() -> None:
    """Print the verdicts as a table for the documentation."""
    total: Counter[str] = Counter()
    print("| Module | Mutants | Caught | Survived | Score |\n|---|---:|---:|---:|---:|")
    for path in sorted(walk_mutatable_files()):
        data = SourceFileMutationData(path=path)
        data.load()
        found = Counter(_WORDS[code] for code in data.exit_code_by_key.values())
        if found:
            _row(f"`{path.stem}`", found)
            total += found
    _row("**all**", total)


def _row(name: str, found: Counter[str]) -> None:
    caught = found["killed"] + found["timeout"]
    undecided = f" ({found['undecided']} undecided)" if found["undecided"] else ""
    survived = found["survived"] + found["no tests"]
    score = 100 * caught / (caught + survived) if caught + survived else 0
    print(f"| {name} | {found.total()}{undecided} | {caught} | {survived} | {score:.1f} % |")


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the mutants, decide them, print a line per module."""
    chosen = _options(arguments)
    if chosen.table:
        _table()
        return 0
    if chosen.show:
        _show(chosen.modules)
        return 0
    if chosen.fresh:
        shutil.rmtree(_TREE, ignore_errors=True)
    _TREE.mkdir(exist_ok=True)
    set_mutant_under_test("mutant_generation")
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere):
        copy_src_dir()
        create_mutants(1)
    set_mutant_under_test("")
    loop = Loop(chosen)
    code = pytest.main(
        [
            *("-o", "pythonpath=mutants", "--noconftest", "-q", "-s", "-p", "no:randomly", "-p", "no:cacheprovider"),
            # Nobody reads why a test failed: the explanation takes longer than the test.
            *("--assert=plain", "--tb=native"),
            *("-k", f"{_TOO_LONG} and ({chosen.tests})" if chosen.tests else _TOO_LONG, "tests/unit/rating"),
        ],
        plugins=[loop],
    )
    return 1 if loop.broken else int(code)


if __name__ == "__main__":
    sys.exit(main())
