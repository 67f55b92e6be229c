"""Runs a program, of which Bochs computes the functions that use AVX-512 or AMX: emulate.py PROGRAM [ARGUMENT…]

The program is static, for Linux on x86-64, with GOEXPERIMENT=norandomizedheapbase64. It runs on this processor until an instruction
of AVX-512 or AMX faults; then a processor of Bochs goes on from there to the end of the function, on the program's memory. Such a function
takes nothing from vector registers, leaves nothing in them, and calls nobody. Bochs is built without AMX, so its instructions are
computed here. Afterwards the number of such calls is told on stderr.
"""
import ctypes
import os
import signal
import struct
import sys
from array import array

import bochscpu
import bochscpu.memory as memory

PAGE = 4096
TRACEME, CONT, GETREGS, SETREGS, SETOPTIONS = 0, 7, 12, 13, 0x4200
WALL = 0x40000000
REGISTERS = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi".split()

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


class Registers(ctypes.Structure):
    _fields_ = [(n, ctypes.c_ulonglong) for n in REGISTERS + "orig_rax rip cs eflags rsp ss fs_base gs_base ds es fs gs".split()]


def ptrace(request, pid, data=None):
    if libc.ptrace(request, pid, None, data) < 0:
        raise OSError(ctypes.get_errno(), f"ptrace {request}")


def newest():
    """Has Bochs build a Sapphire Rapids where it would build its Cannon Lake, which knows no VNNI: the binding offers no choice."""
    library = ctypes.CDLL(bochscpu._bochscpu.__file__)
    begin, other = (ctypes.cast(getattr(library, f"_Z{len(f)}{f}P8BX_CPU_C"), ctypes.c_void_p).value
                    for f in ("create_corei3_cnl_cpuid", "create_sapphire_rapids_cpuid"))
    if libc.mprotect(ctypes.c_void_p(begin & ~(PAGE - 1)), 2 * PAGE, 7) < 0:
        raise OSError(ctypes.get_errno(), "mprotect")
    ctypes.memmove(begin, b"\x48\xb8" + other.to_bytes(8, "little") + b"\xff\xe0", 12)  # MOV to RAX, JMP RAX


class Tiles:
    """The tiles of AMX, which hold 16 rows of 64 bytes at most. Source: Intel's Software Developer's Manual, volume 2."""

    def __init__(self, read, write):
        self.read, self.write = read, write  # memory: (address, size) and (address, bytes)
        self.shapes = None  # of each tile: rows, bytes of a row

    def execute(self, state):
        """Computes the instruction that a processor is at, and goes on to the next, or tells that it is none of AMX."""
        code = self.read(state.rip, 8)
        second, third, opcode, modrm = code[1:5]
        if code[0] != 0xC4 or second & 0x9F != 0x82 or third & 0x84 or opcode not in (0x49, 0x4B, 0x5C, 0x5E):
            return False
        prefix, mode, tile, rm, size = third & 3, modrm >> 6, modrm >> 3 & 7, modrm & 7, 5
        if opcode == 0x49 and code[1:5] == b"\xe2\x78\x49\x00":  # LDTILECFG (AX)
            shapes = self.read(state.rax, 64)
            if shapes[0] != 1 or any(shapes[1:16]) or any(shapes[32:48]) or any(shapes[56:]):
                return False
            self.shapes = [(shapes[48 + t], int.from_bytes(shapes[16 + 2 * t:18 + 2 * t], "little")) for t in range(8)]
            if any(rows > 16 or width > 64 or width % 4 for rows, width in self.shapes):
                return False
            self.tiles = [bytes(rows * width) for rows, width in self.shapes]
        elif self.shapes is None:
            return False
        elif opcode == 0x49 and code[1:5] == b"\xe2\x78\x49\xc0":  # TILERELEASE
            self.shapes = None
        elif opcode == 0x49 and mode == 3 and rm == 0 and second == 0xE2 and third == 0x7B:  # TILEZERO
            self.tiles[tile] = bytes(len(self.tiles[tile]))
        elif opcode == 0x4B and mode < 2 and rm == 4 and third in (0x7A, 0x7B) and (mode or code[5] & 7 != 5):  # TILESTORED, TILELOADD
            names = "rax rcx rdx rbx rsp rbp rsi rdi r8 r9 r10 r11 r12 r13 r14 r15".split()
            base = getattr(state, names[code[5] & 7 | (~second >> 2 & 8)])
            stride = getattr(state, names[code[5] >> 3 & 7 | (~second >> 3 & 8)]) << (code[5] >> 6)
            size = 6 + mode
            if mode:
                base += struct.unpack("b", code[6:7])[0]
            rows, width = self.shapes[tile]
            if third == 0x7B:
                self.tiles[tile] = b"".join(self.read(base + r * stride, width) for r in range(rows))
            else:
                for r in range(rows):
                    self.write(base + r * stride, self.tiles[tile][r * width:(r + 1) * width])
        elif opcode == 0x5C and mode == 3 and second == 0xE2 and prefix == 2:  # TDPBF16PS
            self.multiply(tile, rm, ~third >> 3 & 15)
        elif opcode == 0x5E and mode == 3 and second == 0xE2 and prefix == 3:  # TDPBSSD
            self.multiply_ints(tile, rm, ~third >> 3 & 15)
        else:
            return False
        state.rip += size
        return True

    def fit(self, y, a, b):
        (rows, width), (rows_a, width_a), (rows_b, width_b) = self.shapes[y], self.shapes[a], self.shapes[b]
        if len({y, a, b}) < 3 or b > 7 or rows_a != rows or width_b != width or width_a != 4 * rows_b:
            raise ValueError(f"tiles {y}, {a} and {b} do not fit")
        return rows, width, rows_b

    def multiply_ints(self, y, a, b):
        """Adds products of fours of integers with a sign."""
        rows, width, rows_b = self.fit(y, a, b)
        of_a, of_b, sums = array("b", self.tiles[a]), array("b", self.tiles[b]), array("i", self.tiles[y])
        for r in range(rows):
            for c in range(width // 4):
                s = sum(of_a[(r * rows_b + k) * 4 + i] * of_b[k * width + c * 4 + i] for k in range(rows_b) for i in range(4))
                sums[r * width // 4 + c] = (sums[r * width // 4 + c] + s + 2**31) % 2**32 - 2**31
        self.tiles[y] = sums.tobytes()

    def multiply(self, y, a, b):
        """Adds products of pairs. A float of Python holds the sum of a float32 and of a product of bfloat16 well enough to round it once."""
        rows, width, rows_b = self.fit(y, a, b)

        def floats(tile):  # the first of all pairs, and the second
            bits = array("I", self.tiles[tile])
            both = [array("f", array("I", part).tobytes()) for part in ([v << 16 & 0xFFFFFFFF for v in bits], [v & 0xFFFF0000 for v in bits])]
            return [[flushed(v) for v in part] for part in both]

        def flushed(v):  # numbers that are not normal count as zeros
            return 0.0 if abs(v) < 2.0**-126 else v

        of_a, of_b = floats(a), floats(b)
        sums, columns = array("f", self.tiles[y]), width // 4
        for r in range(rows):
            halves = []
            for part in range(2):
                s = array("f", bytes(width))
                for k in range(rows_b):
                    x, row = of_a[part][r * rows_b + k], of_b[part][k * columns:(k + 1) * columns]
                    s = array("f", [p + x * q for p, q in zip(s, row)])
                halves.append(s)
            both = array("f", [flushed(p + q) for p, q in zip(*halves)])
            at = slice(r * columns, (r + 1) * columns)
            sums[at] = array("f", [flushed(flushed(p) + q) for p, q in zip(sums[at], both)])
        self.tiles[y] = sums.tobytes()


class Emulator:
    """A processor in long mode that sees the first TiB of the program at the addresses that the program sees."""

    def __init__(self, pid):
        self.memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
        self.pages = {}  # address: (where Bochs has it, what the program had there)
        self.calls = 0
        self.fault = None
        self.tiles, self.at, self.stopped = Tiles(self.read, self.write), 0, None
        self.session = bochscpu.Session()
        self.session.missing_page_handler = self.load
        self.hook = bochscpu.Hook()
        self.hook.ucnear_branch = self.branched
        self.hook.exception = self.failed
        # A top table, and entries of 1 GiB that leave addresses as they are. The program has nothing so low.
        top, two = 0x1000, (0x2000, 0x3000)
        self.table(top, [two[0] | 7, two[1] | 7])
        for i, at in enumerate(two):
            self.table(at, [(i * 512 + j) << 30 | 0x87 for j in range(512)])

    def table(self, at, entries):
        host = memory.allocate_host_page()
        ctypes.memset(host, 0, PAGE)
        ctypes.memmove(host, b"".join(e.to_bytes(8, "little") for e in entries), 8 * len(entries))
        memory.page_insert(at, host)

    def load(self, address):
        address &= ~(PAGE - 1)
        try:
            data = os.pread(self.memory, PAGE, address)
        except OSError:
            data = b""
        if len(data) < PAGE:
            self.fault = f"nothing is at {address:#x}"
            data = bytes(PAGE)
        host = memory.allocate_host_page()
        ctypes.memmove(host, data, PAGE)
        memory.page_insert(address, host)
        self.pages[address] = host, data

    def host(self, address):
        if address & ~(PAGE - 1) not in self.pages:
            self.load(address)
        return self.pages[address & ~(PAGE - 1)][0] + address % PAGE

    def read(self, address, size):
        part = min(size, PAGE - address % PAGE)
        data = ctypes.string_at(self.host(address), part)
        return data if part == size else data + self.read(address + part, size - part)

    def write(self, address, data):
        part = min(len(data), PAGE - address % PAGE)
        ctypes.memmove(self.host(address), data[:part], part)
        if part < len(data):
            self.write(address + part, data[part:])

    def branched(self, session, cpu, what, source, target):
        self.target = target
        session.stop()

    def begun(self, session, cpu, instruction):
        self.at = session.cpu.rip

    def failed(self, session, cpu, vector, error):
        if vector == 6 and self.at:
            state = session.cpu.state
            state.rip = self.at
            if self.tiles.execute(state):
                self.stopped = state  # from where to go on
                session.stop()
                return
        self.fault = f"exception {vector}, {error:#x}, address {session.cpu.state.cr2:#x}"
        session.stop()

    def run(self, regs):
        """Goes on to the end of a function."""
        cpu = self.session.cpu
        state = cpu.state  # of a program under Linux
        code, data = bochscpu.Segment(), bochscpu.Segment()
        for s, selector, attributes in (code, 0x33, 0xA0FB), (data, 0x2B, 0xC0F3):
            s.present, s.selector, s.attr, s.base, s.limit = True, selector, attributes, 0, 0xFFFFFFFF
        state.cs, state.ss, state.ds, state.es, state.fs, state.gs = code, data, data, data, data, data
        state.cr0, state.cr3, state.cr4, state.efer = 0x80050033, 0x1000, 0x40620, 0xD01
        state.xcr0, state.mxcsr, state.mxcsr_mask = 0xE7, 0x1F80, 0xFFFF
        for name in REGISTERS:
            setattr(state, name, getattr(regs, name))
        state.rip, state.rsp, state.rflags = regs.rip, regs.rsp, regs.eflags & ~0x10100 | 2
        cpu.state = state
        self.calls += 1
        if self.read(regs.rip, 1) == b"\xc4":  # AMX has VEX, AVX-512 has EVEX, and no need of a hook for each instruction
            self.hook.before_execution = self.begun
        self.session.run([self.hook])
        while self.stopped and not self.fault:
            cpu.state, self.stopped = self.stopped, None
            self.session.run([self.hook])
        if self.fault:
            print(f"emulate: {self.fault}, at {cpu.rip:#x}, begun at {regs.rip:#x}", file=sys.stderr)
            os._exit(1)
        for address, (host, old) in self.pages.items():
            new = ctypes.string_at(host, PAGE)
            if new != old:
                for at in range(0, PAGE, 4):
                    if new[at:at + 4] != old[at:at + 4]:
                        os.pwrite(self.memory, new[at:at + 4], address + at)
            memory.page_remove(address)
            memory.release_host_page(host)
        self.pages.clear()
        for name in REGISTERS:
            setattr(regs, name, getattr(cpu, name))
        regs.rsp, regs.rip = cpu.rsp, self.target


def main(program):
    pid = os.fork()
    if pid == 0:
        ptrace(TRACEME, 0)
        os.execv(program[0], program)
    os.waitpid(pid, 0)
    ptrace(SETOPTIONS, pid, 0x8 | 0x100000)  # threads too, and no program survives its tracer
    emulator = Emulator(pid)
    ptrace(CONT, pid)
    while True:
        thread, status = os.waitpid(-1, WALL)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if thread != pid:
                continue
            print(f"emulate: {emulator.calls} calls", file=sys.stderr)
            return os.waitstatus_to_exitcode(status)
        stop = os.WSTOPSIG(status)
        if stop == signal.SIGILL:
            regs = Registers()
            ptrace(GETREGS, thread, ctypes.byref(regs))
            emulator.run(regs)
            ptrace(SETREGS, thread, ctypes.byref(regs))
            stop = 0
        elif stop in (signal.SIGTRAP, signal.SIGSTOP):  # of a new thread
            stop = 0
        ptrace(CONT, thread, stop)


newest()
status = main(sys.argv[1:])
sys.stderr.flush()
os._exit(status)  # without the complaints of the binding about what lives on
