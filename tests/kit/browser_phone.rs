// SPDX-License-Identifier: MPL-2.0
//! Phones in a browser, SIP.js and JsSIP in Chromium: what a scenario has them go through is a script of its own.

use crate::scene::{NUMBER, ROOM};
use crate::{modules, out_dir, put};
use anyhow::{Context as _, Result, ensure};
use sipbridge_browser::{Browser, Pages, Told};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::Duration;

/// A browser takes its time on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Where they think that they are registered.
pub const HOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// As exactly as a page hears a tone.
const CLOSE_HZ: f64 = 12.0;

const PASSWORD: &str = "open-sesame";

/// Somebody with a phone in a browser.
pub struct User {
    pub name: &'static str,
    library: &'static str,
    /// The tone that it says.
    pub hz: f64,
}

/// One with each library.
pub const USERS: [User; 2] = [
    User {
        name: "sam",
        library: "sipjs",
        hz: 700.0,
    },
    User {
        name: "jess",
        library: "jssip",
        hz: 1_000.0,
    },
];

/// What the worker's configuration says of them: who they are, and that they may call the room.
pub fn tables(scenario: &str) -> Result<String> {
    put(scenario, "password", PASSWORD)?;
    let users = USERS.each_ref().map(|User { name, .. }| {
        format!("[[user]]\nname = \"{name}\"\npassword_file = \"password\"\n\n")
    });
    Ok(format!(
        "{}[[route]]
user = \"*\"
to = \"{NUMBER}\"
room = \"{ROOM}\"
answer = \"at-once\"
",
        users.concat()
    ))
}

/// Their libraries, and the script that tells what they go through.
pub struct Makers {
    scenario: &'static str,
    script: &'static str,
    modules: PathBuf,
}

impl Makers {
    pub fn install(scenario: &'static str, script: &'static str) -> Result<Makers> {
        let modules = modules::install(
            scenario,
            include_str!("browser_phone/package.json"),
            include_str!("browser_phone/package-lock.json"),
        )?;
        Ok(Makers {
            scenario,
            script,
            modules,
        })
    }

    /// Opens somebody's page. `server`: the address of the worker's WebSocket; `query`: what else their script
    /// wants to know, if anything, as `&name=value`; `arguments`: Chromium's.
    pub fn open<'a>(
        &self,
        user: &'a User,
        server: &str,
        query: &str,
        arguments: &[String],
    ) -> Result<Phone<'a>> {
        let (modules, script) = (self.modules.clone(), self.script);
        let pages = Pages::open(Box::new(move |path| {
            Some(match path {
                "" => include_bytes!("browser_phone/page.html").to_vec(),
                "page.js" => script.into(),
                "story.js" => include_bytes!("browser_phone/story.js").to_vec(),
                "media.js" => include_bytes!("browser_phone/media.js").to_vec(),
                "sipjs.js" => include_bytes!("browser_phone/sipjs.js").to_vec(),
                "jssip.js" => include_bytes!("browser_phone/jssip.js").to_vec(),
                _ => std::fs::read(modules.join(path.strip_prefix("modules/")?)).ok()?,
            })
        }))?;
        let User { name, library, hz } = user;
        let address = pages.url(&format!(
            "?library={library}&user={name}&hz={hz}&password={PASSWORD}&number={NUMBER}\
             &domain={HOST}&server={server}{query}"
        ));
        let folder = out_dir(self.scenario).join(name);
        std::fs::create_dir_all(&folder)?;
        let browser = Browser::open(&folder, &address, arguments)?;
        Ok(Phone {
            user,
            pages,
            _browser: browser,
        })
    }
}

/// A page that is a phone.
pub struct Phone<'a> {
    pub user: &'a User,
    pages: Pages,
    _browser: Browser,
}

impl Phone<'_> {
    /// The next that it tells. It goes on once that was heard.
    pub fn told(&self, wanted: &str) -> Result<Told> {
        let told = self.pages.told(PATIENCE)?;
        ensure!(told.path == wanted, "{} ({})", told.path, told.body);
        Ok(told)
    }

    /// The next that it tells is this tone.
    pub fn hears(&self, hz: f64) -> Result<Told> {
        let told = self.told("/hears")?;
        let heard: f64 = told.body.parse().context("a frequency")?;
        ensure!(
            (heard - hz).abs() < CLOSE_HZ,
            "heard are {heard} Hz; {} Hz would be itself",
            self.user.hz
        );
        Ok(told)
    }
}
