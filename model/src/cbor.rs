//! Small adapters between our types and minicbor, which encodes everything but records.

/// `#[cbor(with = "crate::cbor::bytes")]` for `Bytes`: a CBOR byte string, at most as long as a value.
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
        let bytes = d.bytes()?;
        if bytes.len() > crate::record::VALUE_BYTES_MAX {
            return Err(minicbor::decode::Error::message("longer than the longest value"));
        }
        Ok(Bytes::copy_from_slice(bytes))
    }
}

/// `#[cbor(with = "crate::cbor::key")]` for the bytes of a key or sort key: bounded by the longest of them.
pub mod key {
    use bytes::Bytes;
    use minicbor::Decoder;

    pub use super::bytes::encode;

    /// Reads one byte string of definite length.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Bytes, minicbor::decode::Error> {
        let bytes = d.bytes()?;
        // A sort key may carry a token in front, and a bound right behind it one byte more.
        if bytes.len() > crate::key::KEY_BYTES_MAX + 9 {
            return Err(minicbor::decode::Error::message("longer than the longest key"));
        }
        Ok(Bytes::copy_from_slice(bytes))
    }
}

/// `#[cbor(with = "crate::cbor::content_type")]`: a text as long as a content type may be.
pub mod content_type {
    use minicbor::{Decoder, Encoder};

    /// Writes the text.
    pub fn encode<C, W: minicbor::encode::Write>(
        value: &str,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.str(value)?;
        Ok(())
    }

    /// Reads a text of definite length.
    pub fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<String, minicbor::decode::Error> {
        let text = d.str()?;
        if text.len() > crate::record::CONTENT_TYPE_BYTES_MAX {
            return Err(minicbor::decode::Error::message("longer than the longest content type"));
        }
        Ok(text.to_owned())
    }
}
