// Runs a program under the system call filters of a unit, as the service manager would. By libseccomp
// through Python, with systemd's own list of what a set contains.

import { spawnSync } from 'node:child_process'

const SOURCE = `
import ctypes, os, subprocess, sys

def names(group):
    lines = subprocess.run(['systemd-analyze', 'syscall-filter', '--no-pager', group],
                           capture_output=True, text=True, check=True).stdout.split()
    for word in lines[lines.index(group) + 1:]:
        if word.startswith('@'):
            yield from names(word)
        else:
            yield word

seccomp = ctypes.CDLL('libseccomp.so.2')
seccomp.seccomp_init.restype = ctypes.c_void_p
ALLOW = 0x7fff0000

def ERRNO(number):
    return 0x00050000 | number

class Compare(ctypes.Structure):
    _fields_ = [('arg', ctypes.c_uint), ('op', ctypes.c_int),
                ('a', ctypes.c_uint64), ('b', ctypes.c_uint64)]

def load(action, rules):
    filter = ctypes.c_void_p(seccomp.seccomp_init(action))
    for name, act, comparisons in rules:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number < 0:
            continue
        array = (Compare * max(1, len(comparisons)))(*comparisons)
        if seccomp.seccomp_rule_add_array(filter, act, number, len(comparisons), array) != 0:
            raise SystemExit('no rule for ' + name)
    if seccomp.seccomp_load(filter) != 0:
        raise SystemExit('the filter cannot be loaded')

NOT_EQUAL = 1
EPERM, EAFNOSUPPORT = 1, 97
AF_UNIX = 1
PR_SET_NO_NEW_PRIVS = 38
allowed = set(names('@default')).union(*(names(group) for group in sys.argv[1].split()))
ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
# RestrictAddressFamilies=AF_UNIX, RestrictNamespaces, RestrictRealtime, LockPersonality.
load(ALLOW, [('socket', ERRNO(EAFNOSUPPORT), [Compare(0, NOT_EQUAL, AF_UNIX, 0)]),
             ('unshare', ERRNO(EPERM), []), ('setns', ERRNO(EPERM), []),
             ('sched_setscheduler', ERRNO(EPERM), [Compare(1, NOT_EQUAL, 0, 0)]),
             ('personality', ERRNO(EPERM), [Compare(0, NOT_EQUAL, 0, 0)])])
# SystemCallFilter, SystemCallErrorNumber.
load(ERRNO(EPERM), [(name, ALLOW, []) for name in allowed])
os.execvp(sys.argv[2], sys.argv[2:])
`

/**
 * What to put before a command.
 * @param sets as a unit has them, for example `@system-service`.
 */
export function underFilter(sets: string): string[] {
  return ['python3', '-c', SOURCE, sets]
}

/** Whether that can be done here. */
export function canFilter(sets: string): boolean {
  const { status, stderr } = spawnSync('python3', [...underFilter(sets).slice(1), 'true'], {
    encoding: 'utf8'
  })
  if (status !== 0) console.log(`skipped: system calls cannot be filtered here: ${stderr}`)
  return status === 0
}
