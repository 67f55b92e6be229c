"""Runs a program, of which Bochs computes the functions that use AVX-512: emulate.py PROGRAM [ARGUMENT…]

The program is static, for Linux on x86-64, with GOEXPERIMENT=norandomizedheapbase64. It runs on this processor until an instruction
of AVX-512 faults; then a processor of Bochs goes on from there to the end of the function, on the program's memory. Such a function takes
nothing from vector registers, leaves nothing in them, and calls nobody. Afterwards the number of such calls is told on stderr.
"""
import ctypes
import os
import signal
import sys

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


class Emulator:
    """A processor in long mode that sees the first TiB of the program at the addresses that the program sees."""

    def __init__(self, pid):
        self.memory = os.open(f"/proc/{pid}/mem", os.O_RDWR)
        self.pages = {}  # address: (where Bochs has it, what the program had there)
        self.calls = 0
        self.fault = None
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

    def branched(self, session, cpu, what, source, target):
        self.target = target
        session.stop()

    def failed(self, session, cpu, vector, error):
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
