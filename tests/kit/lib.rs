// SPDX-License-Identifier: MPL-2.0
//! What every scenario needs: peers as child processes, speech, and ears.

pub mod baresip;
pub mod both_ways;
pub mod browser_phone;
pub mod certificate;
pub mod comeback;
pub mod comfort;
pub mod coturn;
pub mod detour;
pub mod document;
pub mod ear;
pub mod far_apart;
pub mod handset;
pub mod house;
pub mod http;
pub mod installed;
pub mod janus;
pub mod join_page;
pub mod kamailio;
pub mod linphone;
pub mod modules;
pub mod name_server;
pub mod namespaces;
pub mod offer;
pub mod phone;
pub mod plugin;
pub mod ports;
pub mod process;
pub mod provider;
pub mod raw;
pub mod refrain;
pub mod refused;
pub mod resources;
pub mod room;
pub mod rtp_gateway;
pub mod rtp_pair;
pub mod scene;
pub mod scripted;
pub mod sipp;
pub mod site;
pub mod speech;
pub mod talk;
pub mod together;
pub mod toil;
pub mod turns;
pub mod videoroom;
pub mod websocket_line;
pub mod whip;
pub mod worker;

use std::path::PathBuf;

/// Where a scenario leaves logs and recordings, for whoever wants to know why it failed.
pub fn out_dir(scenario: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("out")
        .join(scenario)
}

/// Puts a file beside them, such as a password that a configuration names.
pub fn put(scenario: &str, name: &str, text: &str) -> std::io::Result<PathBuf> {
    let folder = out_dir(scenario);
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(name);
    std::fs::write(&file, text)?;
    Ok(file)
}
