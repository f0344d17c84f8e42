// SPDX-License-Identifier: MPL-2.0
//! An offer, for whoever asks for rooms by WHIP and WHEP and sends nothing.

/// As Chromium makes it, shortened.
pub fn offer(direction: &str) -> String {
    let fingerprint = ["AB"; 32].join(":");
    format!(
        "v=0\r\no=- 42 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n\
         m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\nc=IN IP4 0.0.0.0\r\na=ice-ufrag:EsAw\r\n\
         a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\na=fingerprint:sha-256 {fingerprint}\r\n\
         a=setup:actpass\r\na=mid:0\r\na={direction}\r\na=rtcp-mux\r\n\
         a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n\
         a=rtpmap:0 PCMU/8000\r\n"
    )
}
