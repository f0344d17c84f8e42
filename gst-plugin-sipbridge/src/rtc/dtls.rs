// SPDX-License-Identifier: MPL-2.0
//! DTLS 1.2 (RFC 6347) with keys for SRTP (RFC 5764), by OpenSSL: any certificate will do, RSA ones, which
//! webrtcbin of GStreamer 1.22 and many media servers have, included.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::srtp::SrtpProfileId;
use openssl::ssl::{
    ErrorCode, Ssl, SslContext, SslMethod, SslMode, SslOptions, SslSessionCacheMode, SslStream,
    SslVerifyMode, SslVersion,
};
use openssl::x509::{X509, X509NameBuilder};
use sip_ua::sdp::{MasterKey, SrtpKeys, Suite};
use zeroize::Zeroizing;

/// Forward secrecy and authenticated encryption; RSA as well as elliptic certificates.
const CIPHERS: &str = "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES256:!aNULL";

/// The cheapest first.
const PROFILES: &str = "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80";

/// RFC 5764 section 4.2.
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";

/// How often OpenSSL is asked whether its own timer has run out. It sends again after one second, two,
/// four and so on, by the system's clock.
const LOOK: Duration = Duration::from_millis(200);

/// Records of the far end that wait to be read: a flight has a handful.
const WAITING_MAX: usize = 32;

const MTU: u32 = 1_200;

/// How long a certificate lasts: longer than any process that makes one.
const CERTIFICATE_DAYS: u32 = 3_650;

/// A certificate and its key.
pub(super) struct DtlsCertificate {
    /// DER.
    pub(super) certificate: Vec<u8>,
    /// DER.
    private_key: Zeroizing<Vec<u8>>,
}

/// A self-signed certificate on the curve that everybody has.
pub(super) fn generate_certificate() -> Result<DtlsCertificate, ErrorStack> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    let key = PKey::from_ec_key(EcKey::generate(&group)?)?;
    let mut name = X509NameBuilder::new()?;
    name.append_entry_by_nid(Nid::COMMONNAME, "sipbridge")?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::ONE, false)?;
    let serial = serial.to_asn1_integer()?;
    let mut certificate = X509::builder()?;
    // Counted from zero: version 3.
    certificate.set_version(2)?;
    certificate.set_serial_number(&serial)?;
    certificate.set_subject_name(&name)?;
    certificate.set_issuer_name(&name)?;
    certificate.set_pubkey(&key)?;
    let (from, to) = (
        Asn1Time::days_from_now(0)?,
        Asn1Time::days_from_now(CERTIFICATE_DAYS)?,
    );
    certificate.set_not_before(&from)?;
    certificate.set_not_after(&to)?;
    certificate.sign(&key, MessageDigest::sha256())?;
    Ok(DtlsCertificate {
        certificate: certificate.build().to_der()?,
        private_key: Zeroizing::new(key.private_key_to_der()?),
    })
}

/// What all connections with one certificate share.
fn context(certificate: &DtlsCertificate) -> Result<SslContext, ErrorStack> {
    static LAST: Mutex<Option<(Vec<u8>, SslContext)>> = Mutex::new(None);
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((of, context)) = last.as_ref()
        && *of == certificate.certificate
    {
        return Ok(context.clone());
    }
    let mut context = SslContext::builder(SslMethod::dtls())?;
    context.set_min_proto_version(Some(SslVersion::DTLS1_2))?;
    context.set_cipher_list(CIPHERS)?;
    context.set_tlsext_use_srtp(PROFILES)?;
    // Whose certificate it may be is told by its fingerprint, which is compared elsewhere; here it
    // only has to be there.
    context.set_verify_callback(
        SslVerifyMode::PEER | SslVerifyMode::FAIL_IF_NO_PEER_CERT,
        |_, _| true,
    );
    // Nobody comes back to a session of before, and none is kept.
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context.set_options(
        SslOptions::NO_QUERY_MTU | SslOptions::NO_RENEGOTIATION | SslOptions::NO_TICKET,
    );
    context.set_mode(SslMode::RELEASE_BUFFERS);
    let key = PKey::private_key_from_der(&certificate.private_key)?;
    let own = X509::from_der(&certificate.certificate)?;
    context.set_certificate(&own)?;
    context.set_private_key(&key)?;
    let context = context.build();
    *last = Some((certificate.certificate.clone(), context.clone()));
    Ok(context)
}

/// Stands where OpenSSL expects a socket: one record a read, one a write.
#[derive(Default)]
struct Datagrams {
    incoming: VecDeque<Vec<u8>>,
    outgoing: VecDeque<Vec<u8>>,
}

impl Read for Datagrams {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(datagram) = self.incoming.pop_front() else {
            return Err(io::ErrorKind::WouldBlock.into());
        };
        // As a socket would: what does not fit is lost.
        let length = datagram.len().min(buffer.len());
        let (into, _) = buffer.split_at_mut(length);
        into.copy_from_slice(datagram.get(..length).unwrap_or_default());
        Ok(length)
    }
}

impl Write for Datagrams {
    fn write(&mut self, datagram: &[u8]) -> io::Result<usize> {
        self.outgoing.push_back(datagram.to_vec());
        Ok(datagram.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Shaking,
    Established,
    /// Goodbye was said, or the handshake failed.
    Over,
}

/// What the handshake came to.
pub(super) enum Outcome {
    /// The far end's certificate (DER), which nobody has compared with anything yet, and the keys of both
    /// directions.
    Established {
        certificate: Vec<u8>,
        keys: SrtpKeys,
    },
    /// The far end closes the connection.
    Goodbye,
}

/// It failed, for good.
#[derive(Debug, thiserror::Error)]
pub(super) enum HandshakeError {
    #[error("{0}")]
    Refused(openssl::ssl::Error),
    #[error("the far end agreed to no SRTP profile of ours")]
    NoProfile,
}

pub(super) struct Handshake {
    stream: SslStream<Datagrams>,
    /// Whether we began it.
    active: bool,
    outcome: VecDeque<Outcome>,
    state: State,
    due: Option<Instant>,
}

impl fmt::Debug for Handshake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Handshake({:?})", self.state)
    }
}

impl Handshake {
    /// `active`: we begin it.
    pub(super) fn new(
        certificate: &DtlsCertificate,
        active: bool,
    ) -> Result<Handshake, ErrorStack> {
        let context = context(certificate)?;
        let mut ssl = Ssl::new(&context)?;
        ssl.set_mtu(MTU)?;
        Ok(Handshake {
            stream: SslStream::new(ssl, Datagrams::default())?,
            active,
            outcome: VecDeque::new(),
            state: State::Shaking,
            due: None,
        })
    }

    /// Says the first word, where that is ours to say.
    pub(super) fn begin(&mut self, now: Instant) -> Result<(), HandshakeError> {
        match self.active {
            true => self.advance(now),
            false => Ok(()),
        }
    }

    /// Goes as far as the records at hand allow. Sends again what OpenSSL's timer says was lost.
    fn advance(&mut self, now: Instant) -> Result<(), HandshakeError> {
        let stepped = match self.active {
            true => self.stream.connect(),
            false => self.stream.accept(),
        };
        match stepped {
            Ok(()) => {
                self.due = None;
                let Some(agreed) = self.agreed() else {
                    self.state = State::Over;
                    return Err(HandshakeError::NoProfile);
                };
                self.state = State::Established;
                self.outcome.push_back(agreed);
                Ok(())
            }
            Err(error) if waits(&error) => {
                self.due = Some(now + LOOK);
                Ok(())
            }
            Err(error) => {
                self.due = None;
                self.state = State::Over;
                Err(HandshakeError::Refused(error))
            }
        }
    }

    /// `None` where the far end agreed to no SRTP profile.
    fn agreed(&self) -> Option<Outcome> {
        let ssl = self.stream.ssl();
        let certificate = ssl.peer_certificate()?.to_der().ok()?;
        let suite = match ssl.selected_srtp_profile()?.id() {
            SrtpProfileId::SRTP_AEAD_AES_128_GCM => Suite::AeadAes128Gcm,
            SrtpProfileId::SRTP_AEAD_AES_256_GCM => Suite::AeadAes256Gcm,
            SrtpProfileId::SRTP_AES128_CM_SHA1_80 => Suite::AesCm128HmacSha1Tag80,
            _ => return None,
        };
        let mut material = Zeroizing::new(vec![0; 2 * (suite.key_length() + suite.salt_length())]);
        ssl.export_keying_material(&mut material, EXPORTER, None)
            .ok()?;
        let [client, server] = master_keys(suite, &material)?;
        let (send, receive) = match self.active {
            true => (client, server),
            false => (server, client),
        };
        Some(Outcome::Established {
            certificate,
            keys: SrtpKeys { send, receive },
        })
    }

    /// After the handshake there is nothing to read but the far end's goodbye, and what it sends
    /// again because our last flight was lost.
    fn listen(&mut self) {
        let mut nothing = [0; 64];
        loop {
            match self.stream.ssl_read(&mut nothing) {
                Ok(0) => return,
                Ok(_) => {}
                Err(error) => {
                    if error.code() == ErrorCode::ZERO_RETURN {
                        self.state = State::Over;
                        self.outcome.push_back(Outcome::Goodbye);
                    }
                    return;
                }
            }
        }
    }
}

fn waits(error: &openssl::ssl::Error) -> bool {
    matches!(error.code(), ErrorCode::WANT_READ | ErrorCode::WANT_WRITE)
}

/// The keys of client and server: both keys come first, then both salts (RFC 5764 section 4.2).
pub(super) fn master_keys(suite: Suite, material: &[u8]) -> Option<[MasterKey; 2]> {
    let (keys, salts) = material.split_at_checked(2 * suite.key_length())?;
    let (client_key, server_key) = keys.split_at_checked(suite.key_length())?;
    let (client_salt, server_salt) = salts.split_at_checked(salts.len() / 2)?;
    let master = |key: &[u8], salt: &[u8]| {
        MasterKey::from_bytes(suite, &Zeroizing::new([key, salt].concat()))
    };
    Some([
        master(client_key, client_salt)?,
        master(server_key, server_salt)?,
    ])
}

impl Handshake {
    /// A record of the far end.
    pub(super) fn receive(&mut self, now: Instant, record: &[u8]) -> Result<(), HandshakeError> {
        if self.state == State::Over {
            return Ok(());
        }
        let incoming = &mut self.stream.get_mut().incoming;
        if incoming.len() < WAITING_MAX {
            incoming.push_back(record.to_vec());
        }
        if self.state == State::Shaking {
            self.advance(now)?;
        }
        if self.state == State::Established {
            self.listen();
        }
        Ok(())
    }

    pub(super) fn timeout(&mut self, now: Instant) -> Result<(), HandshakeError> {
        if self.state == State::Shaking && self.due.is_some_and(|due| due <= now) {
            self.advance(now)?;
        }
        Ok(())
    }

    /// When it wants to be asked again.
    pub(super) fn due(&self) -> Option<Instant> {
        self.due
    }

    /// A record to send.
    pub(super) fn poll_record(&mut self) -> Option<Vec<u8>> {
        self.stream.get_mut().outgoing.pop_front()
    }

    pub(super) fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcome.pop_front()
    }

    /// Says goodbye.
    pub(super) fn close(&mut self) {
        if self.state == State::Established
            && let Err(error) = self.stream.shutdown()
        {
            tracing::debug!(%error, "no DTLS goodbye");
        }
        self.state = State::Over;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One end, and what it has told.
    struct End {
        dtls: Handshake,
        keys: Option<SrtpKeys>,
        certificate: Option<Vec<u8>>,
        goodbye: bool,
    }

    impl End {
        fn new(certificate: &DtlsCertificate, active: bool) -> End {
            let mut dtls = Handshake::new(certificate, active).unwrap();
            dtls.begin(Instant::now()).unwrap();
            End {
                dtls,
                keys: None,
                certificate: None,
                goodbye: false,
            }
        }

        /// What it has to send.
        fn flight(&mut self) -> Vec<Vec<u8>> {
            while let Some(outcome) = self.dtls.poll_outcome() {
                match outcome {
                    Outcome::Established { certificate, keys } => {
                        self.certificate = Some(certificate);
                        self.keys = Some(keys);
                    }
                    Outcome::Goodbye => self.goodbye = true,
                }
            }
            std::iter::from_fn(|| self.dtls.poll_record()).collect()
        }

        fn hears(&mut self, flight: Vec<Vec<u8>>) {
            for record in flight {
                self.dtls.receive(Instant::now(), &record).unwrap();
            }
        }
    }

    /// Both ends shake hands; of the flights on the wire those that `lost` names do not arrive.
    fn shake(lost: &[usize]) -> (End, End, [DtlsCertificate; 2]) {
        let certificates = [
            generate_certificate().unwrap(),
            generate_certificate().unwrap(),
        ];
        let mut client = End::new(&certificates[0], true);
        let mut server = End::new(&certificates[1], false);
        let (start, mut flights) = (Instant::now(), 0);
        while client.keys.is_none() || server.keys.is_none() {
            assert!(start.elapsed() < Duration::from_secs(10), "{flights}");
            let mut silent = true;
            for way in [true, false] {
                let (from, to) = match way {
                    true => (&mut client, &mut server),
                    false => (&mut server, &mut client),
                };
                let flight = from.flight();
                if flight.is_empty() {
                    continue;
                }
                silent = false;
                flights += 1;
                if !lost.contains(&flights) {
                    to.hears(flight);
                }
            }
            if silent && (client.keys.is_none() || server.keys.is_none()) {
                // OpenSSL's timers go by the system's clock.
                std::thread::sleep(LOOK);
                for end in [&mut client, &mut server] {
                    end.dtls.timeout(Instant::now()).unwrap();
                }
            }
        }
        (client, server, certificates)
    }

    /// What one sends with is what the other opens with.
    fn agree(client: &End, server: &End) -> bool {
        let (Some(client), Some(server)) = (&client.keys, &server.keys) else {
            return false;
        };
        client.send == server.receive
            && client.receive == server.send
            && client.send != client.receive
    }

    #[test]
    fn both_have_the_same_keys_and_each_others_certificate() {
        let (client, server, certificates) = shake(&[]);
        assert!(agree(&client, &server));
        assert!(client.certificate.as_ref() == Some(&certificates[1].certificate));
        assert!(server.certificate.as_ref() == Some(&certificates[0].certificate));
    }

    #[test]
    fn a_lost_beginning_is_sent_again() {
        let (client, server, _) = shake(&[1]);
        assert!(agree(&client, &server));
    }

    #[test]
    fn a_lost_end_is_sent_again_though_its_sender_is_done() {
        // Hello, verification or the server's flight, the client's, and the server's last.
        let (client, server, _) = shake(&[4]);
        assert!(agree(&client, &server));
    }

    #[test]
    fn goodbye_is_heard() {
        let (mut client, mut server, _) = shake(&[]);
        client.dtls.close();
        let flight = client.flight();
        server.hears(flight);
        server.flight();
        assert!(server.goodbye);
    }

    #[test]
    fn nothing_is_understood_after_a_failure() {
        let certificate = generate_certificate().unwrap();
        let mut server = End::new(&certificate, false);
        let now = Instant::now();
        // A fatal alert.
        let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 2, 40];
        let first = server.dtls.receive(now, &alert);
        for _ in 0..100 {
            let again = server.dtls.receive(now, &alert);
            assert!(first.is_ok() || again.is_ok());
        }
        assert!(server.flight().len() < 3);
        assert!(server.keys.is_none());
    }

    /// RFC 5764 section 4.2.
    #[test]
    fn keys_come_before_salts() {
        let suite = Suite::AeadAes128Gcm;
        let material: Vec<u8> = (0..56).collect();
        let [client, server] = master_keys(suite, &material).unwrap();
        assert_eq!(client.key(), &material[..16]);
        assert_eq!(server.key(), &material[16..32]);
        assert_eq!(client.salt(), &material[32..44]);
        assert_eq!(server.salt(), &material[44..]);
    }
}
