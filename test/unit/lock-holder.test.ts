import { parseLocks } from '@partyd/shared'
import { describe, expect, it } from 'vitest'

// As the kernel prints it; device 08:01 is st_dev 0x801.
const LOCKS = `1: POSIX  ADVISORY  WRITE 4242 08:01:1234 0 EOF
1: -> POSIX  ADVISORY  WRITE 4343 08:01:1234 0 EOF
2: FLOCK  ADVISORY  WRITE 77 08:01:555 0 EOF
3: POSIX  ADVISORY  READ  78 08:01:556 0 EOF
4: OFDLCK ADVISORY  WRITE -1 08:01:557 0 EOF
5: POSIX  ADVISORY  WRITE 0 08:01:558 0 EOF
6: POSIX  ADVISORY  WRITE 90 fe:02:1234 0 EOF
7: POSIX  MANDATORY WRITE 91 103:05:777 128 128
8: POSIX  ADVISORY  WRITE 92 00:2b:12345 0 EOF
9: POSIX  ADVISORY  WRITE 93 00:99:888 0 EOF
10: POSIX  ADVISORY  WRITE 94 08:1ff0:888 0 EOF
11: POSIX  ADVISORY  WRITE 95 103:01:888 0 EOF
`

describe('parseLocks', () => {
  it.each([
    ['the writer of an inode, not those who wait for it', 0x801, 1234, 4242],
    ['the one on the right device', 0xfe02, 1234, 90],
    ['one on a device with a large major number', 0x1_0301, 888, 95],
    ['one on a device with a large minor number', 0x1f0_08f0, 888, 94],
    ['one whose lock is mandatory', 0x1_0305, 777, 91],
    ['one on a device without a major number', 0x2b, 12345, 92]
  ])('finds %s', (_name, dev, ino, pid) => {
    expect(parseLocks(LOCKS, dev, ino)).toEqual({ pid })
  })

  it('goes by the inode when no device is the one that stat tells', () => {
    expect(parseLocks(LOCKS, 0x99, 12345)).toEqual({ pid: 92 })
  })

  it('finds a holder of another pid namespace without a pid', () => {
    expect(parseLocks(LOCKS, 0x801, 558)).toEqual({ pid: undefined })
  })

  it.each([
    ['an inode that nobody has locked', 123],
    ['an inode whose number is the beginning of another', 1],
    ['locks of other kinds', 555],
    ['locks for reading', 556],
    ['locks of open files', 557]
  ])('finds nobody for %s', (_name, ino) => {
    expect(parseLocks(LOCKS, 0x801, ino)).toBeUndefined()
  })

  it('finds nobody in an empty table', () => {
    expect(parseLocks('', 0x801, 1234)).toBeUndefined()
  })
})
