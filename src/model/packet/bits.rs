//! Numbers of any width among bytes, the highest bit first, as RFCs draw them.

/// The bits of a window that ends behind the bytes that hold a number: how many bytes, and how far the number is from their end.
fn window(start: usize, width: usize) -> Option<(std::ops::Range<usize>, usize)> {
    let end = start.checked_add(width).filter(|_| width <= 64)?;
    let bytes = start / 8..end.div_ceil(8);
    let behind = bytes.end * 8 - end;
    Some((bytes, behind))
}

fn mask(width: usize) -> u128 {
    (1u128 << width) - 1
}

/// Reads a number of at most 64 bits that begins at a bit; none where the bytes end before.
pub fn read(bytes: &[u8], start: usize, width: usize) -> Option<u64> {
    let (range, behind) = window(start, width)?;
    let whole = bytes.get(range)?.iter().fold(0u128, |whole, byte| whole << 8 | u128::from(*byte));
    u64::try_from(whole >> behind & mask(width)).ok()
}

/// Writes the low bits of a number; none where the bytes end before.
pub fn write(bytes: &mut [u8], start: usize, width: usize, value: u64) -> Option<()> {
    let (range, behind) = window(start, width)?;
    let place = bytes.get_mut(range)?;
    let kept = place.iter().fold(0u128, |whole, byte| whole << 8 | u128::from(*byte)) & !(mask(width) << behind);
    let whole = (kept | (u128::from(value) & mask(width)) << behind).to_be_bytes();
    let from = whole.len() - place.len();
    place.copy_from_slice(&whole[from..]);
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_stand_across_bytes() {
        let mut bytes = [0x45, 0xff, 0x00, 0x14];
        assert_eq!(
            (read(&bytes, 0, 4), read(&bytes, 4, 4), read(&bytes, 16, 16), read(&bytes, 6, 4)),
            (Some(4), Some(5), Some(20), Some(7))
        );
        assert_eq!((read(&bytes, 25, 8), read(&bytes, 0, 65), write(&mut bytes, 31, 2, 0)), (None, None, None));
        assert_eq!((write(&mut bytes, 6, 4, 0), bytes), (Some(()), [0x44, 0x3f, 0x00, 0x14]));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(mut bytes in proptest::collection::vec(any::<u8>(), 12), start in 0usize..32, width in 1usize..=64, value: u64) {
            let before = bytes.clone();
            write(&mut bytes, start, width, value);
            prop_assert_eq!(read(&bytes, start, width), Some(value & mask(width) as u64));
            prop_assert_eq!((read(&bytes, 0, start), read(&bytes, start + width, 96 - start - width)), (read(&before, 0, start), read(&before, start + width, 96 - start - width)));
        }
    }
}
