// SPDX-License-Identifier: MPL-2.0
//! What is no SIP at all. (Spoiled messages: fuzz/src/targets/message.rs.)

use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use sip_ua::wire::read_datagram;

#[test]
fn noise_is_refused() {
    let mut random = SmallRng::seed_from_u64(7);
    for _ in 0..20_000 {
        let length = random.random_range(0..300);
        let noise: Vec<u8> = (0..length).map(|_| random.random()).collect();
        assert!(read_datagram(&noise).is_err());
    }
}
