//! The places of the README that hold figures.

use anyhow::{Context as _, Result};

/// Between which lines the figures of a suite are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    begin: &'static str,
    end: &'static str,
}

/// The figures of the API.
pub(crate) const API: Place = Place {
    begin: "<!-- The figures below are written by `cargo xtask bench --write`. -->\n",
    end: "<!-- The figures end here. -->",
};

/// The figures of the backbone.
pub(crate) const BACKBONE: Place = Place {
    begin: "<!-- The figures below are written by `cargo xtask bench backbone --write`. -->\n",
    end: "<!-- The figures of the backbone end here. -->",
};

/// The figures of reminders.
pub(crate) const REMINDERS: Place = Place {
    begin: "<!-- The figures below are written by `cargo xtask bench reminders --write`. -->\n",
    end: "<!-- The figures of the reminders end here. -->",
};

/// The figures of traces.
pub(crate) const TRACES: Place = Place {
    begin: "<!-- The figures below are written by `cargo xtask bench traces --write`. -->\n",
    end: "<!-- The figures of the traces end here. -->",
};

/// The README with other figures.
pub(crate) fn replaced(readme: &str, place: Place, figures: &str) -> Result<String> {
    let Place { begin, end } = place;
    let (before, rest) = readme.split_once(begin).context("README.md has no place for the figures")?;
    let (_, after) = rest.split_once(end).context("README.md has no end of the figures")?;
    Ok(format!("{before}{begin}\n{}\n\n{end}{after}", figures.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_replace_those_before_and_no_others() {
        for (place, other) in [(API, BACKBONE), (BACKBONE, REMINDERS), (REMINDERS, TRACES), (TRACES, API)] {
            let part = |place: Place, figures: &str| format!("{}\n{figures}\n\n{}", place.begin, place.end);
            let readme = |figures: &str| {
                format!("# Title\n{}\nmiddle\n{}\nrest\n", part(other, "kept"), part(place, figures))
            };
            assert_eq!(replaced(&readme("old"), place, "new\n").unwrap(), readme("new"));
        }
        replaced("# Title\n", API, "new").unwrap_err();
    }

    #[test]
    fn the_readme_has_all_places() {
        for place in [API, BACKBONE, REMINDERS, TRACES] {
            assert!(replaced(include_str!("../README.md"), place, "new").is_ok(), "{place:?}");
        }
    }
}
