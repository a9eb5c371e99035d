-- A funnel like Wan 2.1's, stage 3 of 3: what is left for training at 720p.
--
-- Source: Wan 2.1 trains at 192p, 480p and 720p in turn, on data that is filtered again for each; see the first stage.
SELECT *
FROM "curation/wan_2_motion"
WHERE
    least(width, height) >= 720 -- the resolution of the stage
    AND luminance <= 140 -- SpatialVID: 20 to 140
