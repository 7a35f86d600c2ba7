//! Every maximum of the wire, with its reason.

/// Bytes of a member's meta (encoded tags): the original's limit.
pub const META_MAX: usize = 512;
/// Bytes of a node's name; the original has no limit, DNS and file systems stop here.
pub const NAME_MAX: usize = 255;
/// Bytes of a user event that no configuration may exceed: the original's limit.
pub const USER_EVENT_MAX: usize = 9216;
