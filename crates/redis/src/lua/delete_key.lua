-- Deletes a management key and writes the event of it.
--
-- KEYS   1 the keys   2 the timeline of their home   3 its figures
-- ARGV   1 the id   2 the event   3 events of a home kept at most   4 TTL of the timeline, ms
-- Reply  1 deleted, 0 there was none
for _, key in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  if cjson.decode(key).id == ARGV[1] then
    redis.call('LREM', KEYS[1], 1, key)
    redis.call('RPUSH', KEYS[2], ARGV[2])
    redis.call('LTRIM', KEYS[2], -ARGV[3], -1)
    redis.call('PEXPIRE', KEYS[2], ARGV[4])
    redis.call('HINCRBY', KEYS[3], 'events', 1)
    redis.call('PEXPIRE', KEYS[3], ARGV[4])
    return 1
  end
end
return 0
