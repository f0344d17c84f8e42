// SPDX-License-Identifier: MPL-2.0
//! The cryptography under the transport: other people's, put where str0m looks for it.
//!
//! The handshake is OpenSSL's, for the one that comes with str0m takes no RSA certificate, and
//! webrtcbin of GStreamer 1.22 has one, as have many media servers. str0m has an OpenSSL provider, too,
//! but none for this version yet, and the one for the last (str0m-openssl 0.6) panics at a packet that
//! comes after a failed handshake. Packets are RustCrypto's, as on the phone leg: it keeps its key
//! schedules and costs less than OpenSSL 3 at packets this small.

mod handshake;
mod packets;

use str0m::config::CryptoProvider;

pub(super) use handshake::generate_certificate;

/// All that str0m asks for.
pub(super) fn provider() -> CryptoProvider {
    CryptoProvider {
        srtp_provider: &packets::Packets,
        sha1_hmac_provider: &packets::Packets,
        sha1_provider: &packets::Packets,
        sha256_provider: &packets::Packets,
        dtls_provider: &handshake::OpenSsl,
    }
}
