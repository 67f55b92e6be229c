"""Compares the speed of programs by letting them take turns: all but one are halted, so that whatever else the machine does
in these minutes hits all of them alike.

    python turns.py [--rounds 10] [--steps 1] [--warm 2] NAME='COMMAND' NAME='COMMAND'...

A command prints a line "turn N" whenever N units of its work are done, as docent's benchmarks do where DOCENT_TURNS is set.
A turn lasts until --steps such lines have come; the first --warm lines of each program are not counted. For each program
the median of its units a second is printed, and for all but the first the median of the ratios to the first, by rounds,
with the quartiles. An even number of rounds begins with the first, the odd ones with the last.
"""
import argparse, os, signal, statistics, subprocess, sys, time

a = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
a.add_argument("programs", nargs="+", metavar="NAME=COMMAND")
a.add_argument("--rounds", type=int, default=10)
a.add_argument("--steps", type=int, default=1)
a.add_argument("--warm", type=int, default=2)
a = a.parse_args()


class Program:
    def __init__(self, text):
        self.name, _, command = text.partition("=")
        self.rates, self.last = [], ""
        self.process = subprocess.Popen(
            command, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            start_new_session=True, env=os.environ | {"DOCENT_TURNS": "1"},
        )
        self.work(a.warm)
        self.signal(signal.SIGSTOP)

    def signal(self, number):
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            pass

    def work(self, lines):
        done = 0
        while lines:
            line = self.process.stdout.readline()
            if not line:
                sys.exit(f"{self.name} ended: {self.last}")
            word, _, units = line.partition(" ")
            if word == "turn":
                done, lines = done + int(units), lines - 1
            else:
                self.last = line.strip() or self.last
        return done

    def turn(self):
        began = time.perf_counter()
        self.signal(signal.SIGCONT)
        done = self.work(a.steps)
        self.rates.append(done / (time.perf_counter() - began))
        self.signal(signal.SIGSTOP)


signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))  # and so the programs are, too
programs = []
try:
    for text in a.programs:
        programs.append(Program(text))
    for r in range(a.rounds):
        for p in programs if r % 2 == 0 else reversed(programs):
            p.turn()
        print(f"round {r + 1}: " + ", ".join(f"{p.name} {p.rates[-1]:.1f}" for p in programs), file=sys.stderr)
finally:
    for p in programs:
        p.signal(signal.SIGKILL)
first = programs[0]
for p in programs:
    print(f"{p.name}: {statistics.median(p.rates):.1f} a second", end="")
    if p is not first:
        low, middle, high = statistics.quantiles([x / y for x, y in zip(p.rates, first.rates)], n=4, method="inclusive")
        print(f", {middle:.2f} times {first.name} ({low:.2f} to {high:.2f})", end="")
    print()
