// SPDX-License-Identifier: MPL-2.0
//! What is installed works where it is installed, without what it was made from.

mod a_debian_package_holds_all_of_it;
mod an_application_links_the_plugin;
mod everything_is_where_it_is_looked_for;
mod nothing_needs_the_build_tree;
mod systemd_runs_the_worker;

use anyhow::Result;
use sipbridge_tests::installed::Tree;

#[test]
fn what_meson_installs() -> Result<()> {
    let tree = Tree::install("installed", &[])?;
    everything_is_where_it_is_looked_for::in_the_prefix_and_below_destdir(&tree)?;
    systemd_runs_the_worker::unit_and_notification(&tree)?;
    nothing_needs_the_build_tree::elements_worker_and_a_whole_call(&tree)
}
