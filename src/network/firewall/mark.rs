//! The conntrack mark by which a connection through a forward or a route is known in every table.

/// The bit of a connection's mark (`ct mark`) by which a connection through a forward, and one of a declared route, is known
/// in every table. The other bits are left to others.
pub const MARK: u32 = 0x0100_0000;
