-- EasyAnimate's pieces as SQL's WHERE would have them: those that have every score, and pass.
SELECT *
FROM "curation/easyanimate"
WHERE motion IS NOT NULL
