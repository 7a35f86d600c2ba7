//! Every maximum of the wire, with its reason.
//!
//! What a user may choose is in [`Config`](crate::Config) instead (message sizes, budgets).

/// Bytes of a member's meta (encoded tags): the original's limit.
pub const META_MAX: usize = 512;
/// Bytes of a node's name; the original has no limit, DNS and file systems stop here.
pub const NAME_MAX: usize = 255;
/// Bytes of a user event that no configuration may exceed: the original's limit.
pub const USER_EVENT_MAX: usize = 9216;
/// Bytes of a label: its length has one byte on the wire.
pub const LABEL_MAX: usize = 255;
/// Bytes of a UDP payload over IPv4; receivers must expect this many.
pub const DATAGRAM_MAX: usize = 65_507;
/// Parts of a compound message: their count has one byte on the wire.
pub const COMPOUND_PARTS_MAX: usize = 255;
/// Bytes of one part of a compound message: its length has two bytes on the wire.
pub const COMPOUND_PART_MAX: usize = 65_535;
/// Bytes a compound message adds for itself: its type and the count.
pub const COMPOUND_OVERHEAD: usize = 2;
/// Bytes a compound message adds for each part.
pub const COMPOUND_PART_OVERHEAD: usize = 2;
/// Levels of compound and compress messages within each other. Real peers use two; without a
/// limit a packet could take the stack.
pub const NESTING_MAX: usize = 8;
/// Bytes the checksum header adds.
pub const CRC_OVERHEAD: usize = 5;
/// Bytes encryption adds to a packet: version, nonce, tag.
pub const SEAL_OVERHEAD: usize = 1 + 12 + 16;
/// Bytes encryption of the first version adds at most: padding to the AES block, a full block if
/// there is nothing to pad.
pub const SEAL_V0_OVERHEAD_MAX: usize = SEAL_OVERHEAD + 16;
/// Bytes of the header before an encrypted stream message: type and length.
pub const STREAM_SEAL_HEADER: usize = 5;
/// Member records in one push/pull: the limit of newer originals.
pub const PUSH_PULL_NODES_MAX: usize = 1 << 20;
/// Bytes of the user state in one push/pull, and of a user message on a stream: the limit of newer
/// originals.
pub const USER_STATE_MAX: usize = 20 << 20;
/// Bytes of one message of a registry stream: a whole record, and what frames it.
pub const REGISTRY_FRAME_MAX: usize = crate::registry::encoding::RECORD_MAX + (64 << 10);
/// Bytes of scratch a node keeps between packets. More is given back, so that many nodes in one
/// process do not hold their largest packet for ever; less would allocate for common packets.
pub const SCRATCH_KEEP: usize = 1536;

// A member record must always fit a packet of the default size, or it could never be gossiped.
const _: () = assert!(META_MAX + NAME_MAX + 128 < 1400 - SEAL_V0_OVERHEAD_MAX - 2 - LABEL_MAX);
// A part is a message of one packet.
const _: () = assert!(COMPOUND_PART_MAX >= DATAGRAM_MAX);
// The largest user event must reach others by push/pull.
const _: () = assert!(USER_EVENT_MAX < USER_STATE_MAX);
// Common packets leave no allocation behind, wrapped or not.
const _: () = assert!(SCRATCH_KEEP > 1400);
