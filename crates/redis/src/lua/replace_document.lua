-- Replaces a document, if it is still of the expected version.
--
-- KEYS   1 the document: version (8 bytes), then what is in it
-- ARGV   1 expected version (8 bytes), or empty where nothing is stored   2 new value
-- Reply  1 replaced, 0 it was of another version
if redis.call('GETRANGE', KEYS[1], 0, 7) ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
