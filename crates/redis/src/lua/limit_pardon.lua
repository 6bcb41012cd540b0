-- Lets a key begin anew: count and block are forgotten, strikes stay.
--
-- KEYS   1 what is counted
-- ARGV   1 time in ms where the caller keeps it, else empty   2 the rule
-- Reply  the strikes that stay
local now, rule = time(ARGV[1]), read_rule(ARGV[2])
local use = read_use(redis.call('GET', KEYS[1]), rule, now)
if use.strikes == 0 then
  redis.call('UNLINK', KEYS[1])
  return 0
end
local fresh = read_use(false, rule, now)
fresh.strikes, fresh.last = use.strikes, use.last
write_use(KEYS[1], rule, fresh, now)
return use.strikes
