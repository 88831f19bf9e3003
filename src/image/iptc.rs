//! IPTC-IIM (captions, keywords, rights), and the resources of Photoshop that
//! JPEG files hold it in.

/// What begins the segments of a JPEG file that hold resources.
pub const HEADER: &[u8] = b"Photoshop 3.0\0";

const SIGNATURE: &[u8] = b"8BIM";
const IPTC: [u8; 2] = [0x04, 0x04];

/// The IPTC among resources.
pub fn of_resources(mut bytes: &[u8]) -> Option<Vec<u8>> {
    while let Some(rest) = bytes.strip_prefix(SIGNATURE) {
        let (id, rest) = rest.split_first_chunk::<2>()?;
        // Names begin with their length, and all is padded to even lengths.
        let name = 1 + usize::from(*rest.first()?);
        let rest = rest.get(name.next_multiple_of(2)..)?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let size = u32::from_be_bytes(*size) as usize;
        let data = rest.get(..size)?;
        if *id == IPTC {
            return Some(data.to_vec());
        }
        bytes = rest.get(size.next_multiple_of(2)..)?;
    }
    None
}

/// IPTC as the only resource.
pub fn resources(iptc: &[u8]) -> Vec<u8> {
    let size = (iptc.len() as u32).to_be_bytes();
    let padding = &[0][..iptc.len() % 2];
    [SIGNATURE, &IPTC, &[0, 0], &size, iptc, padding].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A resource before it, with a name and an odd length.
    fn among_others(iptc: &[u8]) -> Vec<u8> {
        let other = b"8BIM\x03\xed\x02ab\0\0\0\0\x03xyz\0";
        [&other[..], &resources(iptc)].concat()
    }

    #[test]
    fn iptc_is_found_among_other_resources() {
        for iptc in [&b"\x1c\x02\x05\0\x03abc"[..], b"\x1c\x02\x05\0\x02ab"] {
            assert_eq!(of_resources(&among_others(iptc)).as_deref(), Some(iptc));
        }
        assert_eq!(of_resources(b"8BIM\x03\xed\0\0\0\0\0\0"), None);
    }

    #[test]
    fn what_is_cut_off_is_not_there() {
        let whole = among_others(b"\x1c\x02\x05\0\x03abc");
        for length in 0..whole.len() {
            assert_eq!(of_resources(&whole[..length]), None, "{length}");
        }
    }
}
