//! Digests and checksums that object stores verify, and their Base64 form.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crc_fast::CrcAlgorithm;
use md5::{Digest as _, Md5};

/// The checksums that S3 takes in `x-amz-checksum-…`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// CRC-32 (ISO-HDLC).
    Crc32,
    /// CRC-32C (Castagnoli).
    Crc32c,
    /// CRC-64/NVME.
    Crc64Nvme,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
}

impl Algorithm {
    /// All of them.
    pub const ALL: [Self; 5] =
        [Self::Crc32, Self::Crc32c, Self::Crc64Nvme, Self::Sha1, Self::Sha256];

    /// The header or trailer that carries it.
    pub fn header(self) -> &'static str {
        match self {
            Self::Crc32 => "x-amz-checksum-crc32",
            Self::Crc32c => "x-amz-checksum-crc32c",
            Self::Crc64Nvme => "x-amz-checksum-crc64nvme",
            Self::Sha1 => "x-amz-checksum-sha1",
            Self::Sha256 => "x-amz-checksum-sha256",
        }
    }

    /// The checksum of `data`, most significant byte first.
    pub fn of(self, data: &[u8]) -> Vec<u8> {
        match self {
            Self::Crc32 => crc32(CrcAlgorithm::Crc32IsoHdlc, data),
            Self::Crc32c => crc32(CrcAlgorithm::Crc32Iscsi, data),
            Self::Crc64Nvme => {
                crc_fast::checksum(CrcAlgorithm::Crc64Nvme, data).to_be_bytes().to_vec()
            }
            Self::Sha1 => {
                let algorithm = &aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY;
                aws_lc_rs::digest::digest(algorithm, data).as_ref().to_vec()
            }
            Self::Sha256 => sha256(data),
        }
    }
}

fn crc32(algorithm: CrcAlgorithm, data: &[u8]) -> Vec<u8> {
    crc_fast::checksum(algorithm, data).to_be_bytes()[4..].to_vec()
}

/// MD5 of `data`.
pub fn md5(data: &[u8]) -> [u8; 16] {
    Md5::digest(data).into()
}

/// SHA-256 of `data`.
pub fn sha256(data: &[u8]) -> Vec<u8> {
    aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data).as_ref().to_vec()
}

/// HMAC-SHA-256 of `data`.
pub fn hmac_sha256(key: &[u8], data: &[u8]) -> Vec<u8> {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, key);
    aws_lc_rs::hmac::sign(&key, data).as_ref().to_vec()
}

/// Standard Base64 with padding.
pub fn to_base64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// Reads standard Base64 with padding.
pub fn from_base64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values() {
        // Check values of "123456789" from the catalogue of CRC algorithms (reveng), and RFC 1321,
        // 3174 and 6234 for the digests of "abc".
        let crc = |algorithm: Algorithm| hex::encode(algorithm.of(b"123456789"));
        assert_eq!(crc(Algorithm::Crc32), "cbf43926");
        assert_eq!(crc(Algorithm::Crc32c), "e3069283");
        assert_eq!(crc(Algorithm::Crc64Nvme), "ae8b14860a799888");
        assert_eq!(hex::encode(md5(b"abc")), "900150983cd24fb0d6963f7d28e17f72");
        let sha1 = "a9993e364706816aba3e25717850c26c9cd0d89d";
        assert_eq!(hex::encode(Algorithm::Sha1.of(b"abc")), sha1);
        let start = "ba7816bf8f01cfea";
        assert!(hex::encode(Algorithm::Sha256.of(b"abc")).starts_with(start));
    }
}
