-- Stores a management key and its event, unless there are too many.
--
-- KEYS   1 the keys   2 the timeline of their home   3 its figures
-- ARGV   1 the key   2 keys at most   3 the event   4 events of a home kept at most   5 TTL of the timeline, ms
-- Reply  1 stored, 0 too many
if redis.call('LLEN', KEYS[1]) >= tonumber(ARGV[2]) then
  return 0
end
redis.call('RPUSH', KEYS[1], ARGV[1])
redis.call('RPUSH', KEYS[2], ARGV[3])
redis.call('LTRIM', KEYS[2], -ARGV[4], -1)
redis.call('PEXPIRE', KEYS[2], ARGV[5])
redis.call('HINCRBY', KEYS[3], 'events', 1)
redis.call('PEXPIRE', KEYS[3], ARGV[5])
return 1
