-- Adds a checkpoint over the events of a home, if the last one is the one that the caller saw.
--
-- KEYS   1 the checkpoints
-- ARGV   1 the seal of the last one, empty where there is none   2 the new one   3 how many are kept   4 TTL, ms
-- Reply  1 added, 0 somebody else was faster
local last = redis.call('LINDEX', KEYS[1], -1)
if string.sub(last or '', -#ARGV[1]) ~= ARGV[1] and not (ARGV[1] == '' and not last) then
  return 0
end
redis.call('RPUSH', KEYS[1], ARGV[2])
redis.call('LTRIM', KEYS[1], -ARGV[3], -1)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
