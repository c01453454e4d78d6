//! Small adapters between our types and minicbor, which encodes everything but records.

/// `#[cbor(with = "crate::cbor::bytes")]` for [`bytes::Bytes`]: a CBOR byte string.
pub mod bytes {
    use bytes::Bytes;
    use minicbor::{Decoder, Encoder};

    /// Writes the bytes as one byte string.
    pub fn encode<C, W: minicbor::encode::Write>(
        value: &Bytes,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(value)?;
        Ok(())
    }

    /// Reads one byte string of definite length.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Bytes, minicbor::decode::Error> {
        Ok(Bytes::copy_from_slice(d.bytes()?))
    }
}
