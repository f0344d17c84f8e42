// SPDX-License-Identifier: MPL-2.0
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError, Weak};

use gst::glib;
use gst::prelude::*;
use gst::subclass::prelude::*;

use super::binding::{BindError, Binding, Role, Shared};
use super::settings::{self, Secret, Settings};

static CAT: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "sipagent",
        gst::DebugColorFlags::empty(),
        Some("SIP user agent"),
    )
});

#[derive(Default)]
pub struct SipAgent {
    settings: Mutex<Settings>,
    /// The sockets in use, by the port that was asked for.
    bindings: Mutex<HashMap<u16, Weak<Shared>>>,
}

impl SipAgent {
    pub(super) fn settings(&self) -> Settings {
        self.lock_settings().clone()
    }

    fn lock_settings(&self) -> MutexGuard<'_, Settings> {
        self.settings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The port calls come in on, if that is open, else the one calls go out from.
    fn local_port(&self) -> u32 {
        let bindings = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        let living = |shared: &Weak<Shared>| Some(shared.upgrade()?.local_addr().port());
        let open = bindings
            .iter()
            .filter_map(|(asked, shared)| Some((*asked, living(shared)?)));
        open.max().map_or(0, |(_, port)| port.into())
    }

    pub(super) fn bind(&self, role: Role) -> Result<Binding, BindError> {
        let settings = self.settings();
        let port = match (u16::try_from(settings.port), role) {
            (Ok(port), _) => port,
            (Err(_), Role::Caller) => 0,
            (Err(_), Role::Listener) => settings::SIP_PORT,
        };
        let mut bindings = self.bindings.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shared) = bindings.get(&port).and_then(Weak::upgrade) {
            return Ok(Binding::join(shared));
        }
        let shared = Shared::open(&settings, port)?;
        gst::info!(CAT, imp = self, "listening on {}", shared.local_addr());
        bindings.insert(port, std::sync::Arc::downgrade(&shared));
        Ok(Binding::join(shared))
    }
}

#[glib::object_subclass]
impl ObjectSubclass for SipAgent {
    const NAME: &'static str = "GstSipAgent";
    type Type = super::SipAgent;
    type ParentType = gst::Object;
}

fn text(name: &str, nick: &str, blurb: &str, default: Option<&str>) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name)
        .nick(nick)
        .blurb(blurb)
        .default_value(default)
        .build()
}

impl ObjectImpl for SipAgent {
    fn properties() -> &'static [glib::ParamSpec] {
        static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
            vec![
                text(
                    "address",
                    "Address",
                    "Local IP address of signalling and media; 0.0.0.0 for the one that leads to the far end",
                    Some(settings::DEFAULT_ADDRESS),
                ),
                glib::ParamSpecInt::builder("port")
                    .nick("Port")
                    .blurb("Local port of all transports; 0 for any free one, -1 for 5060 to be called and any free one to call")
                    .minimum(-1)
                    .maximum(65_535)
                    .default_value(settings::DEFAULT_PORT)
                    .build(),
                text(
                    "transports",
                    "Transports",
                    "What is listened on and can be called over: udp, tcp, or both with a comma between",
                    Some(settings::DEFAULT_TRANSPORTS),
                ),
                text(
                    "advertise",
                    "Advertised address",
                    "Address that Contact and SDP say, where the far end reaches us at another than the local one",
                    None,
                ),
                text(
                    "user-agent",
                    "User agent",
                    "What the User-Agent and Server headers say",
                    Some(concat!("sipbridge/", env!("CARGO_PKG_VERSION"))),
                ),
                text("username", "User name", "User part of the From address", None),
                text(
                    "auth-username",
                    "Authentication name",
                    "Name to authenticate with, where it is not the user name",
                    None,
                ),
                glib::ParamSpecUInt::builder("local-port")
                    .nick("Local port")
                    .blurb("The port in use, which tells what port 0 became; 0 while there is none")
                    .maximum(65_535)
                    .read_only()
                    .build(),
                glib::ParamSpecString::builder("password")
                    .nick("Password")
                    .blurb("Password to authenticate with; can be set but not read")
                    .write_only()
                    .build(),
                text(
                    "password-file",
                    "Password file",
                    "File whose first line is the password; keeps it out of the process list",
                    None,
                ),
                text("display-name", "Display name", "Display name of the From address", None),
                text(
                    "from-domain",
                    "From domain",
                    "Host part of the From address; default: the host that is called",
                    None,
                ),
                text(
                    "outbound-proxy",
                    "Outbound proxy",
                    "Host, or host and port, that calls are sent to instead of the one called",
                    None,
                ),
                text(
                    "accept-from",
                    "Accept from",
                    "Addresses and networks that may call, with commas between; all others get silence",
                    Some(settings::DEFAULT_ACCEPT_FROM),
                ),
                glib::ParamSpecBoolean::builder("trust-asserted-identity")
                    .nick("Trust asserted identities")
                    .blurb("Whether the P-Asserted-Identity of those who may call is believed; nobody else's is ever told")
                    .default_value(false)
                    .build(),
                text(
                    "registrar",
                    "Registrar",
                    "Host, or host and port, to register with as username while elements listen for calls; it may then call too",
                    None,
                ),
                glib::ParamSpecUInt::builder("register-expires")
                    .nick("Registration interval")
                    .blurb("Seconds to register for at a time; what the registrar grants counts, and it is refreshed in time")
                    .minimum(10)
                    .maximum(7 * 24 * 3600)
                    .default_value(settings::DEFAULT_REGISTER_EXPIRES)
                    .build(),
                text(
                    "media-ports",
                    "Media ports",
                    "Range of local UDP ports for media",
                    Some(settings::DEFAULT_MEDIA_PORTS),
                ),
                glib::ParamSpecBoxed::builder::<gst::Context>("context")
                    .nick("Context")
                    .blurb("A context for gst_element_set_context, which offers this agent to a whole pipeline")
                    .read_only()
                    .build(),
            ]
        });
        &PROPERTIES
    }

    fn set_property(&self, _id: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let mut settings = self.lock_settings();
        if pspec.name() == "port" {
            if let Ok(port) = value.get() {
                settings.port = port;
            }
            return;
        }
        if pspec.name() == "register-expires" {
            if let Ok(seconds) = value.get() {
                settings.register_expires = seconds;
            }
            return;
        }
        if pspec.name() == "trust-asserted-identity" {
            if let Ok(trust) = value.get() {
                settings.trust_asserted_identity = trust;
            }
            return;
        }
        let Ok(text) = value.get::<Option<String>>() else {
            return;
        };
        let Settings {
            address,
            advertise,
            user_agent,
            username,
            auth_username,
            password,
            password_file,
            display_name,
            from_domain,
            outbound_proxy,
            accept_from,
            media_ports,
            transports,
            registrar,
            register_expires: _,
            trust_asserted_identity: _,
            port: _,
        } = &mut *settings;
        match pspec.name() {
            "address" => *address = text.unwrap_or_else(|| settings::DEFAULT_ADDRESS.to_owned()),
            "transports" => {
                *transports = text.unwrap_or_else(|| settings::DEFAULT_TRANSPORTS.to_owned());
            }
            "advertise" => *advertise = text,
            "user-agent" => *user_agent = text.unwrap_or_default(),
            "username" => *username = text,
            "auth-username" => *auth_username = text,
            "password" => *password = text.map(Secret::new),
            "password-file" => *password_file = text,
            "display-name" => *display_name = text,
            "from-domain" => *from_domain = text,
            "outbound-proxy" => *outbound_proxy = text,
            // Nothing stands for nobody, as an empty list does.
            "accept-from" => *accept_from = text.unwrap_or_default(),
            "registrar" => *registrar = text,
            "media-ports" => {
                *media_ports = text.unwrap_or_else(|| settings::DEFAULT_MEDIA_PORTS.to_owned());
            }
            other => gst::error!(CAT, imp = self, "no property {other}"),
        }
    }

    fn property(&self, _id: usize, pspec: &glib::ParamSpec) -> glib::Value {
        let settings = self.lock_settings();
        match pspec.name() {
            "address" => settings.address.to_value(),
            "port" => settings.port.to_value(),
            "local-port" => self.local_port().to_value(),
            "transports" => settings.transports.to_value(),
            "advertise" => settings.advertise.to_value(),
            "user-agent" => settings.user_agent.to_value(),
            "username" => settings.username.to_value(),
            "auth-username" => settings.auth_username.to_value(),
            "password-file" => settings.password_file.to_value(),
            "display-name" => settings.display_name.to_value(),
            "from-domain" => settings.from_domain.to_value(),
            "outbound-proxy" => settings.outbound_proxy.to_value(),
            "accept-from" => settings.accept_from.to_value(),
            "trust-asserted-identity" => settings.trust_asserted_identity.to_value(),
            "registrar" => settings.registrar.to_value(),
            "register-expires" => settings.register_expires.to_value(),
            "media-ports" => settings.media_ports.to_value(),
            "context" => self.obj().to_context().to_value(),
            _ => pspec.default_value().clone(),
        }
    }
}

impl GstObjectImpl for SipAgent {}
