//! Reads the commands that a Redis client sends.

/// A stream of commands, however it is cut into chunks.
#[derive(Debug, Default)]
pub(super) struct Commands {
    unread: Vec<u8>,
}

impl Commands {
    /// Takes a chunk and returns the names of the commands that it completes, in capitals. Other protocols have no commands.
    pub(super) fn read(&mut self, chunk: &[u8]) -> Vec<String> {
        self.unread.extend_from_slice(chunk);
        let (mut names, mut from) = (Vec::new(), 0);
        while let Some((name, length)) = command(&self.unread[from..]) {
            names.push(name);
            from += length;
        }
        self.unread.drain(..from);
        if self.unread.first().is_some_and(|byte| *byte != b'*') {
            self.unread.clear();
        }
        names
    }
}

/// The name and length of a whole command at the start of some bytes: an array of strings.
fn command(bytes: &[u8]) -> Option<(String, usize)> {
    let (count, mut at) = number(bytes, b'*')?;
    let mut name = None;
    for _ in 0..count {
        let (length, head) = number(bytes.get(at..)?, b'$')?;
        let text = bytes.get(at + head..at + head + length)?;
        name.get_or_insert_with(|| String::from_utf8_lossy(text).to_ascii_uppercase());
        at += head + length + 2;
    }
    (bytes.len() >= at).then_some((name?, at))
}

/// The number in a line that begins with this mark, and the length of the line with its end.
fn number(bytes: &[u8], mark: u8) -> Option<(usize, usize)> {
    let rest = bytes.strip_prefix(&[mark])?;
    let end = rest.windows(2).position(|two| two == b"\r\n")?;
    Some((std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?, 1 + end + 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_whatever_the_chunks() {
        let stream = b"*1\r\n$4\r\nping\r\n*3\r\n$3\r\nSET\r\n$1\r\na\r\n$4\r\n\r\n*1\r\n*2\r\n$3\r\nGET\r\n$1\r\na\r\n";
        for length in 1..=stream.len() {
            let mut commands = Commands::default();
            let names: Vec<_> = stream.chunks(length).flat_map(|chunk| commands.read(chunk)).collect();
            assert_eq!(names, ["PING", "SET", "GET"], "chunks of {length}");
        }
    }

    #[test]
    fn other_protocols_have_no_commands() {
        let mut commands = Commands::default();
        assert!(commands.read(b"GET / HTTP/1.1\r\n").is_empty());
        assert!(commands.unread.is_empty());
    }
}
