//! Memberships as bytes, in pieces of 65,536 partners, so that one flip writes at most 8 KiB.
//! Called by the store.

use std::io;

use roaring::RoaringBitmap;

/// Partners of a piece.
pub const SIZE: u32 = 1 << 16;

/// The piece that a partner is in.
pub fn key(partner: u32) -> u32 {
    partner / SIZE
}

/// The pieces that have members.
pub fn keys(members: &RoaringBitmap) -> Vec<u32> {
    let mut keys = Vec::new();
    let mut rest = members.iter();
    while let Some(next) = rest.next() {
        keys.push(key(next));
        match (key(next) + 1).checked_mul(SIZE) {
            Some(start) => rest.advance_to(start),
            None => break,
        }
    }
    keys
}

/// One piece; empty when it has no members. In the portable format of Roaring.
pub fn write(members: &RoaringBitmap, key: u32) -> Vec<u8> {
    let first = key * SIZE;
    let mut piece =
        RoaringBitmap::from_sorted_iter(members.range(first..=first + (SIZE - 1))).unwrap_or_default();
    piece.optimize();
    let mut bytes = Vec::with_capacity(piece.serialized_size());
    if !piece.is_empty() && piece.serialize_into(&mut bytes).is_err() {
        bytes.clear();
    }
    bytes
}

/// Reads a piece and adds its members.
///
/// # Errors
/// Bytes that are no piece, or one of other partners.
pub fn read(key: u32, bytes: &[u8], members: &mut RoaringBitmap) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let piece = RoaringBitmap::deserialize_from(bytes)?;
    if piece.iter().any(|partner| self::key(partner) != key) {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            format!("piece {key} holds partners of another one"),
        ));
    }
    *members |= piece;
    Ok(())
}
