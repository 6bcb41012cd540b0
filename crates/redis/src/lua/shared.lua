-- What several scripts do. It stands before their own text.

-- Adds the arguments from first to last to a bounded list.
local function append(key, first, last, bound, ttl)
  if first > last then
    return
  end
  redis.call('RPUSH', key, unpack(ARGV, first, last))
  redis.call('LTRIM', key, -bound, -1)
  redis.call('PEXPIRE', key, ttl)
end

-- Keeps what is denied, from first to last each until when and what, and drops what is over. The key lives as long as the last of it.
-- Among the figures stands when that was, by this server's clock, so that a reader can tell in which homes there is something new.
local function deny(key, figures, first, last, now)
  if first > last then
    return
  end
  local time = redis.call('TIME')
  redis.call('HSET', figures, 'denied', time[1] .. string.format('%06d', time[2]))
  redis.call('ZADD', key, 'GT', unpack(ARGV, first, last))
  redis.call('ZREMRANGEBYSCORE', key, '-inf', now)
  local latest = redis.call('ZRANGE', key, -1, -1, 'WITHSCORES')[2]
  if latest then
    redis.call('PEXPIRE', key, latest - now)
  end
end

-- Adds five arguments from first on, and a number of events, to the figures of a home.
local function count(key, first, events, ttl)
  local counted = events > 0
  if counted then
    redis.call('HINCRBY', key, 'events', events)
  end
  for i, name in ipairs({ 'sessions', 'users', 'created', 'revoked', 'expired' }) do
    if ARGV[first + i - 1] ~= '0' then
      redis.call('HINCRBY', key, name, ARGV[first + i - 1])
      counted = true
    end
  end
  if counted then
    redis.call('PEXPIRE', key, ttl)
  end
end

-- The stamp of a user: 8 random bytes, new with each write, so a stale caller never wins, not even against a restored or emptied
-- server; a caller who sends the same change twice finds the stamp of its first try. Empty where there is no user.
local function stamp(key)
  return redis.call('GETRANGE', key, 2, 9)
end
