"""The programs that time a workload, each in a process of its own."""

import contextlib
import json
import os
import statistics
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PEERS = os.path.join(ROOT, "tools", "peers")


class Unusable(Exception):
    """What keeps the comparison from being made, in words."""


class Side:
    """A program that prints a JSON line about the workload that it is given."""

    def __init__(self, name, command, dash=lambda code: False, beside=contextlib.nullcontext):
        """`dash` tells of which exit codes mean that the program cannot do a workload; it runs inside a `beside()`."""
        self.name, self.command, self.dash, self.beside = name, command, dash, beside

    def line(self, workload):
        """What the program prints; none where it cannot do the workload."""
        with self.beside():
            try:
                done = subprocess.run([*self.command, workload], capture_output=True, text=True)
            except OSError as error:
                raise Unusable(f"{self.name}: cannot run {self.command[0]}: {error.strerror}; is it built?") from None
        complaint = done.stderr.strip()
        if self.dash(done.returncode):
            # The last line says what is wrong, before a reminder of the usage.
            whys = [line for line in complaint.splitlines() if not line.startswith("usage:")]
            print(f"{self.name} without {workload}: {whys[-1] if whys else 'it does not say why'}", file=sys.stderr)
            return None
        command = " ".join([*self.command, workload])
        if done.returncode:
            raise Unusable(f"{self.name}: exit code {done.returncode} of {command}\n{complaint}")
        try:
            line = json.loads(done.stdout)
            return {"ms": line["median_ms"], "mb": line["peak_rss_mb"], "framework": line["framework"]}
        except (ValueError, KeyError):
            raise Unusable(f"{self.name}: no JSON line of times, but {done.stdout!r} from {command}") from None


def medians(sides, workload, rounds):
    """The sides by turns: the median line of each, without those that cannot do the workload."""
    lines = {side.name: [] for side in sides}
    for _ in range(rounds):
        for side in sides:
            if side.name in lines and (line := side.line(workload)):
                lines[side.name].append(line)
            else:
                lines.pop(side.name, None)

    def middle(values):
        return None if None in values else statistics.median(values)
    return {name: {key: middle([line[key] for line in of]) for key in ("ms", "mb")} | {"framework": of[0]["framework"]}
            for name, of in lines.items()}


def built(crate):
    """Builds the program of a crate among the peers, and gives its path."""
    folder = os.path.join(PEERS, crate)
    if not os.path.exists(os.path.join(folder, "Cargo.toml")):
        raise Unusable(f"{folder} has no Cargo.toml: leave {crate} out of --peers")
    # Where the program lies depends on the user's settings of cargo.
    command = ["cargo", "build", "--release", "--message-format=json-render-diagnostics"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    programs = [path for line in done.stdout.splitlines() if (path := json.loads(line).get("executable"))]
    if done.returncode or len(programs) != 1:
        raise Unusable(f"cargo build --release in {folder} made {len(programs)} programs, not one")
    return programs[0]


def two_cores():
    """Two cores, to which this process and those that it starts keep from now on."""
    if not hasattr(os, "sched_setaffinity"):
        raise Unusable("--scaling needs a system that keeps processes to cores, as Linux does")
    cores = sorted(os.sched_getaffinity(0))[:2]
    if len(cores) < 2:
        raise Unusable("--scaling needs two cores, and this process may use one")
    os.sched_setaffinity(0, cores)
    return cores


@contextlib.contextmanager
def taken(core):
    """While another process keeps a core busy; it ends with this process, however that ends."""
    spin = f"import os; os.sched_setaffinity(0, [{core}]); print(flush=True)\nwhile os.getppid() == {os.getpid()}: pass"
    with subprocess.Popen([sys.executable, "-c", spin], stdout=subprocess.PIPE) as spinner:
        spinner.stdout.readline()  # now it spins
        try:
            yield
        finally:
            spinner.kill()
