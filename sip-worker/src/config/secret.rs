// SPDX-License-Identifier: MPL-2.0
//! Secrets: from a file, or from the environment.

use std::path::Path;

use secrecy::SecretString;

use super::path_in;
use crate::document::Section;

/// Reads `NAME_file` or `NAME_env`. The secret itself in the configuration is refused: that file is
/// copied, shown and kept in version control.
pub(super) fn secret(section: &mut Section<'_>, name: &str) -> Option<SecretString> {
    let file_key = format!("{name}_file");
    let env_key = format!("{name}_env");
    section.refused(
        name,
        &format!("a secret does not stand in the configuration; name a file in `{file_key}`, or a variable in `{env_key}`"),
    );
    let both = section.has(&file_key) && section.has(&env_key);
    let from_file = section.string(&file_key).and_then(|path| {
        let read = from_file(&path_in(section, &path.value));
        read.map_err(|why| section.document().find(path.at, why))
            .ok()
    });
    let from_env = section.parsed(&env_key, |variable| match std::env::var(variable) {
        Ok(value) if !value.is_empty() => Ok(SecretString::from(value)),
        Ok(_) => Err(format!("the environment variable {variable} is empty")),
        Err(_) => Err(format!("there is no environment variable {variable}")),
    });
    if both {
        section.find(format!("`{file_key}` and `{env_key}` exclude each other"));
    }
    from_file.or(from_env)
}

fn from_file(path: &Path) -> Result<SecretString, String> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    // Editors end a file with a line break.
    let secret = text.trim_end_matches(['\r', '\n']);
    if secret.is_empty() {
        return Err(format!("{} is empty", path.display()));
    }
    if secret.contains(['\r', '\n']) {
        return Err(format!("{} has more than one line", path.display()));
    }
    Ok(SecretString::from(secret))
}
