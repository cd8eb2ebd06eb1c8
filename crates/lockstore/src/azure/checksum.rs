//! MD5 and CRC-64 of what is sent.
//!
//! Azure's CRC-64 is the one of NVMe (reflected polynomial 0x9A6C9329AC4BC9B5, all ones in and
//! out), sent as base64 of its eight bytes, lowest first (azure-sdk-for-go, azblob, 2023).

use base64::prelude::{BASE64_STANDARD, Engine as _};
use crc_fast::CrcAlgorithm;
use http::HeaderMap;
use md5::{Digest as _, Md5};

use super::error::{self, Refusal};

/// The MD5 of `data` in base64.
pub(crate) fn md5(data: &[u8]) -> String {
    BASE64_STANDARD.encode(Md5::digest(data))
}

/// The CRC-64 of `data` in base64.
pub(crate) fn crc64(data: &[u8]) -> String {
    BASE64_STANDARD.encode(crc_of(data).to_le_bytes())
}

fn crc_of(data: &[u8]) -> u64 {
    crc_fast::checksum(CrcAlgorithm::Crc64Nvme, data)
}

/// Compares the body with the checksums in the headers; at most one of the two may be there.
pub(crate) fn verify_body(headers: &HeaderMap, body: &[u8]) -> Result<(), Refusal> {
    let md5 = headers.get("content-md5");
    let crc = headers.get("x-ms-content-crc64");
    if md5.is_some() && crc.is_some() {
        return Err(error::INVALID_HEADER.about("content-md5 and x-ms-content-crc64"));
    }
    if let Some(sent) = md5 {
        verify_md5(sent.as_bytes(), body)?;
    }
    if let Some(sent) = crc {
        let sent = decode::<8>(sent.as_bytes())
            .ok_or_else(|| error::INVALID_HEADER.about("x-ms-content-crc64"))?;
        if u64::from_le_bytes(sent) != crc_of(body) {
            return Err(error::CRC64_MISMATCH.into());
        }
    }
    Ok(())
}

/// Compares `data` with an MD5 in base64.
pub(crate) fn verify_md5(sent: &[u8], data: &[u8]) -> Result<(), Refusal> {
    let sent = decode::<16>(sent).ok_or(error::INVALID_MD5)?;
    if sent.as_slice() == Md5::digest(data).as_slice() {
        return Ok(());
    }
    Err(error::MD5_MISMATCH.into())
}

/// Whether this is an MD5 in base64.
pub(crate) fn is_md5(sent: &[u8]) -> bool {
    decode::<16>(sent).is_some()
}

fn decode<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    BASE64_STANDARD.decode(text).ok()?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_values() {
        // The check value of CRC-64/NVME for "123456789" is AE8B14860A799888.
        assert_eq!(
            BASE64_STANDARD.decode(crc64(b"123456789")).unwrap(),
            0xAE8B_1486_0A79_9888u64.to_le_bytes()
        );
        assert_eq!(md5(b"Hello World"), "sQqNsWTgdUEFt6mb5y4/5Q==");
    }

    #[test]
    fn wrong_broken_and_double_checksums_are_refused() {
        let headers = |pairs: &[(&'static str, String)]| {
            let pairs = pairs
                .iter()
                .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()));
            pairs.collect::<HeaderMap>()
        };
        let (md5_name, crc_name) = ("content-md5", "x-ms-content-crc64");
        let verify = |pairs: &[(&'static str, String)]| {
            verify_body(&headers(pairs), b"data").map_err(|refusal| refusal.code.name)
        };
        assert_eq!(verify(&[]), Ok(()));
        assert_eq!(verify(&[(md5_name, md5(b"data"))]), Ok(()));
        assert_eq!(verify(&[(crc_name, crc64(b"data"))]), Ok(()));
        assert_eq!(verify(&[(md5_name, md5(b"date"))]), Err("Md5Mismatch"));
        assert_eq!(verify(&[(md5_name, "AAAA".into())]), Err("InvalidMd5"));
        assert_eq!(verify(&[(crc_name, crc64(b"date"))]), Err("Crc64Mismatch"));
        assert_eq!(verify(&[(crc_name, "AAAA".into())]), Err("InvalidHeaderValue"));
        let both = [(md5_name, md5(b"data")), (crc_name, crc64(b"data"))];
        assert_eq!(verify(&both), Err("InvalidHeaderValue"));
    }
}
