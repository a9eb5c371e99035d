FROM "clips/short" JOIN Captions ON video_id = id
