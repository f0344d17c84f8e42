// SPDX-License-Identifier: MPL-2.0
//! A page of the browser, by the DevTools protocol: asked, clicked, typed into, and looked at.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::stream::MaybeTlsStream;
use tokio_tungstenite::tungstenite::{Error, Message, WebSocket, connect};

/// The browser answers at once, unless it is asked to wait for something.
const ANSWERS: Duration = Duration::from_secs(30);

/// Calls `look` until it comes to something, and at most for `ms`.
const UNTIL: &str = "async (look, ms) => {
  for (const end = performance.now() + ms; ;) {
    const found = await look();
    if (found || performance.now() > end) return found;
    await new Promise((again) => setTimeout(again, 30));
  }
}";

/// Where an element is that can be clicked: what is at its middle is itself.
const CENTRE: &str = "(element) => {
  element.scrollIntoView({ block: 'center', inline: 'center', behavior: 'instant' });
  const { x, y, width, height } = element.getBoundingClientRect();
  const hit = document.elementFromPoint(x + width / 2, y + height / 2);
  const clear = element.contains(hit) && !element.disabled && width > 0;
  return clear ? [x + width / 2, y + height / 2] : null;
}";

/// What of a page is not as it should be: sideways wider than its window, or a control that is not to be hit. A phone's
/// browser makes `innerWidth` as wide as what it finds, so the window's width is told.
const FAULTS: &str = "(windowWidth) => {
  const faults = [];
  const root = document.querySelector('dialog[open]') || document.body;
  const named = (e) => e.tagName.toLowerCase() + (e.id ? '#' + e.id : '') + ' ' + (e.ariaLabel || e.textContent || '').trim().slice(0, 30);
  const page = document.scrollingElement;
  if (page.scrollWidth > windowWidth) faults.push('the page is ' + page.scrollWidth + ' wide');
  for (const element of root.querySelectorAll('*')) {
    if (!element.checkVisibility() || element.closest('svg, .unseen')) continue;
    const { left, right, width } = element.getBoundingClientRect();
    if (width && (left < -0.5 || right > windowWidth + 0.5)) faults.push(named(element) + ' is outside');
  }
  for (const control of root.querySelectorAll('button, input, a, select')) {
    if (!control.checkVisibility()) continue;
    control.scrollIntoView({ block: 'center', behavior: 'instant' });
    const { x, y, width, height } = control.getBoundingClientRect();
    const hit = document.elementFromPoint(x + width / 2, y + height / 2);
    if (!control.contains(hit)) faults.push(named(control) + ' is behind ' + (hit ? named(hit) : 'nothing'));
    if (width < 40 || height < 40) faults.push(named(control) + ' is small: ' + width + ' x ' + height);
    if (!(control.ariaLabel || control.textContent.trim() || control.labels?.length)) faults.push(named(control) + ' has no name');
  }
  scrollTo(0, 0);
  return faults;
}";

/// The names of all controls that are to be seen.
const CONTROLS: &str = "() => {
  const root = document.querySelector('dialog[open]') || document.body;
  const name = (e) => e.ariaLabel || e.textContent.trim() || e.labels?.[0]?.textContent.trim();
  return [...root.querySelectorAll('button, input, a, select')].filter((e) => e.checkVisibility()).map(name);
}";

/// A page. What it is asked is JavaScript.
pub struct Page {
    socket: WebSocket<MaybeTlsStream<TcpStream>>,
    session: Option<String>,
    asked: u64,
}

impl Page {
    /// The first page of the browser that is driven at this address.
    pub(crate) fn of(tools: &str) -> Result<Page> {
        let (socket, _) = connect(tools).context("the browser cannot be driven")?;
        let mut page = Page {
            socket,
            session: None,
            asked: 0,
        };
        let targets = page.ask("Target.getTargets", json!({}))?;
        let targets = targets["targetInfos"].as_array().cloned();
        let mut targets = targets.unwrap_or_default().into_iter();
        let target = targets.find(|target| target["type"] == "page");
        let id = target.context("the browser has a page")?["targetId"].clone();
        let attached = page.ask(
            "Target.attachToTarget",
            json!({ "targetId": id, "flatten": true }),
        )?;
        page.session = attached["sessionId"].as_str().map(str::to_owned);
        Ok(page)
    }

    fn ask(&mut self, method: &str, params: Value) -> Result<Value> {
        self.ask_patiently(method, params, ANSWERS)
    }

    fn ask_patiently(&mut self, method: &str, params: Value, patience: Duration) -> Result<Value> {
        self.asked += 1;
        let mut message = json!({ "id": self.asked, "method": method, "params": params });
        if let Some(session) = &self.session {
            message["sessionId"] = json!(session);
        }
        if let MaybeTlsStream::Plain(stream) = self.socket.get_ref() {
            stream.set_read_timeout(Some(patience))?;
        }
        self.socket.send(Message::text(message.to_string()))?;
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            let told = match self.socket.read() {
                // As after the machine was stopped for a moment.
                Err(Error::Io(error)) if error.kind() == ErrorKind::Interrupted => continue,
                told => told.with_context(|| method.to_owned())?,
            };
            let Ok(text) = told.to_text() else { continue };
            let Ok(told) = serde_json::from_str::<Value>(text) else {
                continue;
            };
            if told["id"] != self.asked {
                continue;
            }
            if !told["error"].is_null() {
                bail!("{method}: {}", told["error"]);
            }
            return Ok(told["result"].clone());
        }
        bail!("{method}: no answer within {patience:?}")
    }

    fn run(&mut self, expression: &str, patience: Duration) -> Result<Value> {
        let params = json!({
            "expression": expression, "awaitPromise": true, "returnByValue": true, "userGesture": true,
        });
        let told = self.ask_patiently("Runtime.evaluate", params, patience + ANSWERS)?;
        if !told["exceptionDetails"].is_null() {
            bail!("{expression}: {}", told["exceptionDetails"]);
        }
        Ok(told["result"]["value"].clone())
    }

    /// What an expression comes to, awaited where it is a promise.
    pub fn eval(&mut self, expression: &str) -> Result<Value> {
        self.run(expression, Duration::ZERO)
    }

    /// Waits until an expression comes to something that is true, and returns it.
    pub fn until(&mut self, expression: &str, patience: Duration) -> Result<Value> {
        let all = format!("({UNTIL})(() => ({expression}), {})", patience.as_millis());
        let found = self.run(&all, patience)?;
        match found {
            Value::Null | Value::Bool(false) => {
                let seen = self.eval("document.body.innerText")?;
                let seen = seen.as_str().unwrap_or_default();
                bail!("{expression}: {found} after {patience:?}; the page:\n{seen}")
            }
            found => Ok(found),
        }
    }

    /// Goes to an address, also where only what stands behind its '#' is another.
    pub fn go(&mut self, address: &str) -> Result<()> {
        self.ask("Page.navigate", json!({ "url": "about:blank" }))?;
        self.ask("Page.navigate", json!({ "url": address }))?;
        self.until(
            "document.readyState === 'complete' && location.href !== 'about:blank'",
            ANSWERS,
        )
        .map(drop)
    }

    /// Clicks the middle of an element with the mouse, once it is there and nothing is in front of it.
    pub fn click(&mut self, selector: &str) -> Result<()> {
        let shown = format!(
            "[...document.querySelectorAll({selector:?})].find((e) => e.checkVisibility())"
        );
        let there = format!("(() => {{ const e = {shown}; return e && ({CENTRE})(e); }})()");
        let at = self.until(&there, Duration::from_secs(10))?;
        for kind in ["mousePressed", "mouseReleased"] {
            let event =
                json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "clickCount": 1 });
            self.ask("Input.dispatchMouseEvent", event)?;
        }
        Ok(())
    }

    /// Types a text into a field, in place of what is there.
    pub fn fill(&mut self, selector: &str, text: &str) -> Result<()> {
        self.click(selector)?;
        self.eval(&format!("document.querySelector({selector:?}).select()"))?;
        self.ask("Input.insertText", json!({ "text": text }))
            .map(drop)
    }

    /// Presses a key, by its name and what it writes.
    pub fn press(&mut self, key: &str) -> Result<()> {
        let text = match key {
            "Enter" => "\r",
            key if key.chars().count() == 1 => key,
            _ => "",
        };
        for kind in ["keyDown", "keyUp"] {
            let event = json!({ "type": kind, "key": key, "text": text });
            self.ask("Input.dispatchKeyEvent", event)?;
        }
        Ok(())
    }

    /// Looks at the page in a window of this size, in the dark or not.
    pub fn resize(&mut self, width: u32, height: u32, dark: bool) -> Result<()> {
        let metrics = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.ask("Emulation.setDeviceMetricsOverride", metrics)?;
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            // What is seen is not on its way to something else.
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.ask("Emulation.setEmulatedMedia", features).map(drop)
    }

    /// Keeps what is to be seen as a PNG.
    pub fn screenshot(&mut self, file: &Path) -> Result<()> {
        let shot = self.ask("Page.captureScreenshot", json!({ "format": "png" }))?;
        let data = shot["data"].as_str().context("a screenshot")?;
        Ok(std::fs::write(file, BASE64.decode(data.as_bytes())?)?)
    }

    /// The names of all controls that are to be seen.
    pub fn controls(&mut self) -> Result<Vec<String>> {
        Ok(serde_json::from_value(
            self.eval(&format!("({CONTROLS})()"))?,
        )?)
    }

    /// Fails where something is wider than the window, or a control cannot be hit, is too small for a
    /// finger, or has no name.
    pub fn is_well_laid_out(&mut self, window_width: u32) -> Result<()> {
        let faults = self.eval(&format!("({FAULTS})({window_width})"))?;
        match faults.as_array() {
            Some(none) if none.is_empty() => Ok(()),
            _ => bail!("the page is not well laid out: {faults:#}"),
        }
    }
}
