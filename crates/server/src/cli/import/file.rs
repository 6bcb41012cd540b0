//! Sessions in a file: a JSON object in each line.

use super::{
    super::failure::Failure,
    bounds,
    layout::Encoding,
    source::{Document, Take, decode, failed},
};
use std::io::{BufRead, BufReader, Read as _};

pub(super) fn each(path: &str, take: &mut Take<'_>) -> Result<(), Failure> {
    if path == "-" {
        return lines(std::io::stdin().lock(), take);
    }
    let file = std::fs::File::open(path).map_err(|error| failed("the file to read from", &error))?;
    lines(BufReader::new(file), take)
}

fn lines(mut input: impl BufRead, take: &mut Take<'_>) -> Result<(), Failure> {
    let mut line = Vec::new();
    loop {
        line.clear();
        input.by_ref().take(bounds::VALUE_BYTES as u64 + 1).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Ok(());
        }
        if line.len() > bounds::VALUE_BYTES {
            input.skip_until(b'\n')?;
            take(Err("too_large"))?;
        } else if !line.trim_ascii().is_empty() {
            take(decode(Encoding::Json, &line).map(|value| Document { token: None, value, left_ms: None }))?;
        }
    }
}
