// The first bytes of a party connection, in both directions. A stock many-level guest starts with
// the length of a frame, which is at least 1, so a leading zero tells the two kinds of peer apart.

/** Eight bytes: zero, `partyd`, and the version of the preface itself. */
export const PREFACE: Buffer = Buffer.from('\0partyd\u0001', 'latin1')

/** The first byte of a party client. */
export const PARTY_FIRST_BYTE = 0x00
