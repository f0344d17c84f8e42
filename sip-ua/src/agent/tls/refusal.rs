// SPDX-License-Identifier: MPL-2.0
//! Why no TLS connection came about, for people.

use std::io;

use tokio_rustls::rustls::pki_types::UnixTime;
use tokio_rustls::rustls::{AlertDescription, CertificateError, Error};

/// What follows "cannot be reached: ", of a far end whose connection failed with this.
pub(in crate::agent) fn refusal(error: &io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(Error::InvalidCertificate(error)) => certificate(error),
        Some(Error::AlertReceived(alert)) => received(*alert),
        Some(Error::NoCertificatesPresented) => "it shows no certificate".to_owned(),
        Some(Error::InvalidMessage(_)) => "it does not speak TLS".to_owned(),
        Some(Error::PeerIncompatible(why)) => {
            format!(
                "its TLS and ours have nothing in common ({why:?}); 1.2 and 1.3 are spoken here"
            )
        }
        Some(other) => format!("the TLS handshake failed: {other}"),
        None if error.kind() == io::ErrorKind::UnexpectedEof => {
            "it closed the connection in the TLS handshake or without a farewell".to_owned()
        }
        None => error.to_string(),
    }
}

fn certificate(error: &CertificateError) -> String {
    match error {
        CertificateError::ExpiredContext { not_after, .. } => {
            format!("its certificate expired on {}", date(*not_after))
        }
        CertificateError::Expired => "its certificate has expired".to_owned(),
        CertificateError::NotValidYetContext { not_before, .. } => {
            format!("its certificate is not valid before {}", date(*not_before))
        }
        CertificateError::NotValidYet => "its certificate is not valid yet".to_owned(),
        CertificateError::NotValidForNameContext {
            expected,
            presented,
        } => {
            let expected = expected.to_str();
            match presented.is_empty() {
                true => format!(
                    "its certificate names nobody in its subjectAltName, and {expected} was wanted"
                ),
                false => {
                    let presented: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
                    let presented = presented.join(", ");
                    format!("its certificate is that of {presented}, not of {expected}")
                }
            }
        }
        CertificateError::NotValidForName => "its certificate is somebody else's".to_owned(),
        CertificateError::UnknownIssuer => {
            "its certificate is signed by itself, or by an authority that is not believed here \
             (ca_file names more)"
                .to_owned()
        }
        CertificateError::BadSignature => {
            "its certificate was not signed by the authority that is believed here under that name"
                .to_owned()
        }
        CertificateError::Revoked => "its certificate was revoked".to_owned(),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "its certificate is not made for this purpose (extended key usage)".to_owned()
        }
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "its certificate is that of an authority (CA:TRUE), which proves no name".to_owned()
        }
        other => format!("its certificate cannot be believed: {other}"),
    }
}

/// `DnsName("a.example")` without what is round the name.
fn bare(name: &str) -> &str {
    let inner = name.split_once('(').map_or(name, |(_, rest)| rest);
    inner.trim_end_matches(')').trim_matches('"')
}

fn received(alert: AlertDescription) -> String {
    match alert {
        AlertDescription::CertificateRequired => {
            "it wants a certificate of this side, which shows none".to_owned()
        }
        AlertDescription::UnknownCA
        | AlertDescription::BadCertificate
        | AlertDescription::CertificateUnknown
        | AlertDescription::UnsupportedCertificate
        | AlertDescription::AccessDenied => {
            format!("it does not believe the certificate of this side ({alert:?})")
        }
        AlertDescription::CertificateExpired => {
            "it finds that the certificate of this side has expired".to_owned()
        }
        AlertDescription::UnrecognisedName => {
            "it does not know the name it was asked for".to_owned()
        }
        alert => format!("it refused the TLS handshake ({alert:?})"),
    }
}

/// As `2026-11-22` (UTC).
fn date(time: UnixTime) -> String {
    // Days since 0000-03-01, so that a leap day ends its year.
    let days = time.as_secs() / 86_400 + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates_are_written_as_people_do() {
        let at = |seconds| date(UnixTime::since_unix_epoch(Duration::from_secs(seconds)));
        assert_eq!(at(0), "1970-01-01");
        assert_eq!(at(951_782_400), "2000-02-29");
        assert_eq!(at(1_709_164_800), "2024-02-29");
        assert_eq!(at(1_735_689_599), "2024-12-31");
        assert_eq!(at(4_107_542_400), "2100-03-01");
    }

    #[test]
    fn names_stand_without_what_is_round_them() {
        assert_eq!(bare("DnsName(\"a.example\")"), "a.example");
        assert_eq!(bare("IpAddress(192.0.2.1)"), "192.0.2.1");
        assert_eq!(bare("a.example"), "a.example");
    }
}
