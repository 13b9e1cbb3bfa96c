// The version of this package, as hello tells it to the daemon's log. Written down, because a bundle that
// has taken this package in is not beside its package.json; a test compares the two.

export const PACKAGE_VERSION = '0.1.0'
