"""Runs a program under a seccomp profile, as a container runtime does: confined.py PROFILE PROGRAM ARGUMENT...

PROFILE is in the OCI's form: names of system calls that are permitted, and EPERM for all others. The filter is for this
machine's own kind of processor; linux-libc-dev's header says what number each call has.
"""

import ctypes
import json
import os
import re
import struct
import subprocess
import sys

# linux/audit.h, by the machine's name.
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

# linux/filter.h and linux/seccomp.h: load a word, jump if equal, return.
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER, ARCHITECTURE = 0, 4
KILL, REFUSE, ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, MODE_FILTER = 22, 38, 2


def numbers():
    """The number of each system call, by its name."""
    header = subprocess.run(["cc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"], check=True, capture_output=True, text=True)
    return {name: int(number) for name, number in re.findall(r"#define __NR_(\w+) (\d+)", header.stdout)}


def program(profile):
    """The filter's instructions. A name that this machine's kernel does not have is passed over, as runtimes do."""
    known = numbers()
    names = [name for rule in profile["syscalls"] for name in rule["names"] if name in known]
    code = [(LOAD, 0, 0, ARCHITECTURE), (JUMP_IF_EQUAL, 1, 0, ARCHITECTURES[os.uname().machine]), (RETURN, 0, 0, KILL), (LOAD, 0, 0, NUMBER)]
    for name in names:
        code += [(JUMP_IF_EQUAL, 0, 1, known[name]), (RETURN, 0, 0, ALLOW)]
    code.append((RETURN, 0, 0, REFUSE | profile["defaultErrnoRet"]))
    return b"".join(struct.pack("HBBI", *instruction) for instruction in code)


def main(path, *command):
    with open(path, encoding="utf-8") as file:
        code = ctypes.create_string_buffer(program(json.load(file)))
    # struct sock_fprog: how many instructions, and where. The buffer ends in one byte of its own.
    length = len(code) // 8
    fprog = ctypes.create_string_buffer(struct.pack("HxxxxxxP", length, ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    for arguments in [(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), (PR_SET_SECCOMP, MODE_FILTER, fprog, 0, 0)]:
        if libc.prctl(*arguments) != 0:
            sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
    os.execvp(command[0], command)


main(*sys.argv[1:])
