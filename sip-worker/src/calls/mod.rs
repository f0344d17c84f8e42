// SPDX-License-Identifier: MPL-2.0
//! The calls of this worker: a task each, a table of all.
//!
//! - [`table`]: what is known of every call, running and lately ended, and the events of each change
//! - [`limits`]: how many calls a trunk may hold and how fast they may come
//! - [`dialin`] and [`dialout`]: how a call begins
//! - [`origin`]: who calls, and how the call came here
//! - [`life`]: its task; [`stay`]: what it has in its room; [`room`]: what the calls of a room share; [`graph`]: their media
//! - [`transfer`]: somebody else takes its place; [`bridged`]: here, where its phone will not have that
//! - [`outage`]: what becomes of it while its SFU is away
//! - [`figures`] and [`meter`]: how its media fare; [`opinions`]: how all of them sounded; [`why`]: which hop was at fault
//! - [`ending`] and [`watch`]: how it ends, and how we notice that the phone is gone

mod bridged;
mod dialin;
mod dialout;
mod ending;
pub mod figures;
mod graph;
mod identity;
mod life;
pub mod limits;
mod meter;
pub mod opinions;
mod origin;
mod outage;
pub(crate) mod room;
pub(crate) mod stay;
pub mod table;
mod transfer;
mod watch;
mod why;

pub use dialin::take_all;
pub use dialout::{DialRequest, dial};
pub(crate) use identity::caller;
pub use life::DIGIT_MS;
pub(crate) use origin::shown;
pub use origin::{DiversionInfo, HistoryInfo, OriginInfo, StirInfo};
pub use table::{CallInfo, CallTable, Control, Direction, Event, State};
pub use transfer::{TransferInfo, TransferTarget, TransferWish, wanted as transfer};
