// SPDX-License-Identifier: MPL-2.0

use super::*;
use kit::{eventually, match_of, say, voice};
use sipbridge_measure::steady::asserted_steadily;

/// Two silent listeners of a codec are given the very same buffers; who speaks is given others.
#[test]
fn the_silent_get_the_same_buffer() {
    asserted_steadily(|| {
        let line = Line::new(
            "sipmixer name=m appsrc name=mouth0 format=time \
         caps=audio/x-raw,format=S16LE,layout=interleaved,rate=16000,channels=1 ! m.sink_0 \
         m.minus_0 ! audio/x-opus ! fakesink sync=false async=false",
        );
        let mixer = line.element("m");
        for number in [1u32, 2] {
            mixer.request_pad_simple(&format!("sink_{number}")).unwrap();
            let out = gst::ElementFactory::make("fakesink")
                .property("sync", false)
                .property("async", false)
                .build()
                .unwrap();
            line.pipeline.add(&out).unwrap();
            let caps = gst::Caps::builder("audio/x-opus").build();
            mixer
                .link_pads_filtered(Some(&format!("minus_{number}")), &out, Some("sink"), &caps)
                .unwrap();
        }
        let seen = [0, 1, 2].map(|n| watch(&mixer.static_pad(&format!("minus_{n}")).unwrap()));
        line.play();
        let said: Vec<i16> = voice(3, 4.0).iter().flat_map(|s| [*s; 2]).collect();
        say(&line, "mouth0", &said, false);
        eventually("packets", || {
            seen.iter().all(|seen| seen.lock().unwrap().len() > 60)
        });
        let [speaker, one, other] = seen.map(|seen| seen.lock().unwrap().clone());
        let same = |a: &[gst::Buffer], b: &[gst::Buffer]| {
            let memory = |buffer: &gst::Buffer| buffer.peek_memory(0).as_ptr() as usize;
            let at = |pts| b.iter().find(|buffer| buffer.pts() == pts);
            let pairs = a.iter().filter_map(|a| Some((a, at(a.pts())?)));
            pairs.filter(|(a, b)| memory(a) == memory(b)).count()
        };
        assert!(same(&one, &other) > 50, "{}", same(&one, &other));
        assert!(same(&one[20..50], &speaker[20..50]) == 0);
        assert_eq!(stat(&line, "shared-encodes"), 1);
        line.no_errors();
    })
}

/// Every codec, as stock and own decoders understand it.
#[test]
fn what_comes_out_is_the_codec_that_was_asked_for() {
    asserted_steadily(|| {
        let outs = [
            "audio/x-mulaw ! mulawdec",
            "audio/x-alaw ! alawdec",
            "audio/G722 ! g722dec",
            "audio/x-raw,format=S16BE ! audioconvert",
            "audio/x-opus ! sipopusdec",
            "audio/x-opus ! opusdec",
        ];
        let mut launch = "sipmixer name=m appsrc name=mouth0 format=time \
        caps=audio/x-raw,format=S16LE,layout=interleaved,rate=16000,channels=1 ! m.sink_0 "
            .to_owned();
        for (number, out) in outs.iter().enumerate() {
            let pad = number + 1;
            launch += &format!(
                "audiotestsrc is-live=true wave=silence ! audio/x-raw,rate=8000,channels=1 ! m.sink_{pad} \
             m.minus_{pad} ! {out} ! audioconvert ! audioresample \
             ! audio/x-raw,format=S16LE,rate=8000,channels=1 ! appsink name=ear{number} sync=false "
            );
        }
        let line = Line::new(&launch);
        let ears: Vec<kit::Ear> = (0..outs.len())
            .map(|number| kit::Ear::on(&line, &format!("ear{number}")))
            .collect();
        line.play();
        let said = voice(5, 2.0);
        let wide: Vec<i16> = said.iter().flat_map(|s| [*s; 2]).collect();
        say(&line, "mouth0", &wide, false);
        for (ear, out) in ears.iter().zip(outs) {
            eventually(out, || ear.samples().len() > 20_000);
            let found = match_of(&said, &ear.samples(), 8_000);
            assert!(found > 0.8, "{out}: {found}");
        }
        line.no_errors();
    })
}
