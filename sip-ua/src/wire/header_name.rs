// SPDX-License-Identifier: MPL-2.0
use std::fmt;
use std::hash::{Hash, Hasher};

use super::scan;

macro_rules! header_names {
    ($($variant:ident $written:literal $($lower:literal)|+;)*) => {
        /// The name of a header field. Compared without regard to case; a compact form equals its
        /// long one (RFC 3261 §7.3.1, §7.3.3).
        #[derive(Clone)]
        pub enum HeaderName {
            $($variant,)*
            /// A field this crate gives no meaning to, spelled as it came.
            Other(Vec<u8>),
        }

        impl HeaderName {
            fn known(lower: &[u8]) -> Option<HeaderName> {
                match lower {
                    $($($lower)|+ => Some(HeaderName::$variant),)*
                    _ => None,
                }
            }

            /// The name as it is written: the long form.
            pub fn as_bytes(&self) -> &[u8] {
                match self {
                    $(HeaderName::$variant => $written,)*
                    HeaderName::Other(text) => text,
                }
            }
        }
    };
}

// Written form, then every spelling that means it, in lower case.
header_names! {
    Accept b"Accept" b"accept";
    AcceptContact b"Accept-Contact" b"accept-contact" | b"a";
    AcceptEncoding b"Accept-Encoding" b"accept-encoding";
    AcceptLanguage b"Accept-Language" b"accept-language";
    AlertInfo b"Alert-Info" b"alert-info";
    Allow b"Allow" b"allow";
    AllowEvents b"Allow-Events" b"allow-events" | b"u";
    AuthenticationInfo b"Authentication-Info" b"authentication-info";
    Authorization b"Authorization" b"authorization";
    CallId b"Call-ID" b"call-id" | b"i";
    CallInfo b"Call-Info" b"call-info";
    Contact b"Contact" b"contact" | b"m";
    ContentDisposition b"Content-Disposition" b"content-disposition";
    ContentEncoding b"Content-Encoding" b"content-encoding" | b"e";
    ContentLanguage b"Content-Language" b"content-language";
    ContentLength b"Content-Length" b"content-length" | b"l";
    ContentType b"Content-Type" b"content-type" | b"c";
    CSeq b"CSeq" b"cseq";
    Date b"Date" b"date";
    Diversion b"Diversion" b"diversion";
    ErrorInfo b"Error-Info" b"error-info";
    Event b"Event" b"event" | b"o";
    Expires b"Expires" b"expires";
    From b"From" b"from" | b"f";
    HistoryInfo b"History-Info" b"history-info";
    Identity b"Identity" b"identity" | b"y";
    InReplyTo b"In-Reply-To" b"in-reply-to";
    Join b"Join" b"join";
    MaxForwards b"Max-Forwards" b"max-forwards";
    MimeVersion b"MIME-Version" b"mime-version";
    MinExpires b"Min-Expires" b"min-expires";
    MinSe b"Min-SE" b"min-se";
    Organization b"Organization" b"organization";
    PAssertedIdentity b"P-Asserted-Identity" b"p-asserted-identity";
    PPreferredIdentity b"P-Preferred-Identity" b"p-preferred-identity";
    Path b"Path" b"path";
    Priority b"Priority" b"priority";
    Privacy b"Privacy" b"privacy";
    ProxyAuthenticate b"Proxy-Authenticate" b"proxy-authenticate";
    ProxyAuthorization b"Proxy-Authorization" b"proxy-authorization";
    ProxyRequire b"Proxy-Require" b"proxy-require";
    RAck b"RAck" b"rack";
    Reason b"Reason" b"reason";
    RecordRoute b"Record-Route" b"record-route";
    ReferSub b"Refer-Sub" b"refer-sub";
    ReferTo b"Refer-To" b"refer-to" | b"r";
    ReferredBy b"Referred-By" b"referred-by" | b"b";
    RejectContact b"Reject-Contact" b"reject-contact" | b"j";
    RemotePartyId b"Remote-Party-ID" b"remote-party-id";
    Replaces b"Replaces" b"replaces";
    ReplyTo b"Reply-To" b"reply-to";
    RequestDisposition b"Request-Disposition" b"request-disposition" | b"d";
    Require b"Require" b"require";
    RetryAfter b"Retry-After" b"retry-after";
    Route b"Route" b"route";
    RSeq b"RSeq" b"rseq";
    Server b"Server" b"server";
    ServiceRoute b"Service-Route" b"service-route";
    SessionExpires b"Session-Expires" b"session-expires" | b"x";
    Subject b"Subject" b"subject" | b"s";
    SubscriptionState b"Subscription-State" b"subscription-state";
    Supported b"Supported" b"supported" | b"k";
    Timestamp b"Timestamp" b"timestamp";
    To b"To" b"to" | b"t";
    Unsupported b"Unsupported" b"unsupported";
    UserAgent b"User-Agent" b"user-agent";
    Via b"Via" b"via" | b"v";
    Warning b"Warning" b"warning";
    WwwAuthenticate b"WWW-Authenticate" b"www-authenticate";
}

/// No known name is longer.
const LONGEST_KNOWN: usize = 24;

impl HeaderName {
    /// Reads a field name. `None` when `text` is not a token.
    pub fn parse(text: &[u8]) -> Option<HeaderName> {
        scan::is_token(text).then(|| HeaderName::recognise(text))
    }

    fn recognise(text: &[u8]) -> HeaderName {
        let mut lower = [0; LONGEST_KNOWN];
        lower
            .get_mut(..text.len())
            .and_then(|lower| {
                lower.copy_from_slice(text);
                lower.make_ascii_lowercase();
                HeaderName::known(lower)
            })
            .unwrap_or_else(|| HeaderName::Other(text.to_vec()))
    }
}

impl From<&str> for HeaderName {
    fn from(name: &str) -> HeaderName {
        HeaderName::recognise(name.as_bytes())
    }
}

impl PartialEq for HeaderName {
    fn eq(&self, other: &HeaderName) -> bool {
        if std::mem::discriminant(self) != std::mem::discriminant(other) {
            return false;
        }
        match (self, other) {
            (HeaderName::Other(a), HeaderName::Other(b)) => a.eq_ignore_ascii_case(b),
            _ => true,
        }
    }
}

impl Eq for HeaderName {}

impl Hash for HeaderName {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.as_bytes().to_ascii_lowercase());
    }
}

impl fmt::Display for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(self.as_bytes()))
    }
}

impl fmt::Debug for HeaderName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
