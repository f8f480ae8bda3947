-- Where an entity is on the Earth, as its own row says. Nothing in a row is an error: what is malformed is no location.

CREATE FUNCTION degrees_of(value text, bound double precision) RETURNS double precision
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    -- So many digits and so short an exponent fit into a double: the cast cannot fail.
    SELECT CASE WHEN length(value) < 100 AND value ~ '^\s*[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,2})?\s*$' THEN
        CASE WHEN abs(value::double precision) <= bound THEN value::double precision END END
$$;
COMMENT ON FUNCTION degrees_of IS 'A text as a number of degrees; null: it is none, or beyond the bound';

CREATE FUNCTION location_at(lon text, lat text) RETURNS point LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT point(degrees_of(lon, 180), degrees_of(lat, 90))
$$;
COMMENT ON FUNCTION location_at IS 'Longitude and latitude as a point; null: one of them is none';

CREATE FUNCTION wkb_number(wkb bytea, first integer, little boolean) RETURNS double precision
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    at integer := CASE WHEN little THEN first + 7 ELSE first END;
    step constant integer := CASE WHEN little THEN -1 ELSE 1 END;
    sign_and_exponent integer := get_byte(wkb, at) << 8 | get_byte(wkb, at + step);
    exponent integer := sign_and_exponent >> 4 & 2047;
    mantissa double precision := sign_and_exponent & 15;
BEGIN
    IF exponent > 1023 + 8 THEN
        RETURN NULL;  -- no degrees: 512 and more, infinite, or no number
    ELSIF exponent < 1023 - 60 THEN
        RETURN 0;
    END IF;
    at := at + step;
    FOR byte IN 1..6 LOOP
        at := at + step;
        mantissa := mantissa * 256 + get_byte(wkb, at);
    END LOOP;
    RETURN (CASE WHEN sign_and_exponent >> 15 = 1 THEN -1 ELSE 1 END)
        * (1 + mantissa / 2::double precision ^ 52) * 2::double precision ^ (exponent - 1023);
END $$;
COMMENT ON FUNCTION wkb_number IS 'The IEEE 754 double that begins at a byte; null: it is far too large for degrees';

CREATE FUNCTION wkb_location(wkb bytea) RETURNS point LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS $$
DECLARE
    little boolean := get_byte(wkb, 0) = 1;
    kind bytea := substr(wkb, 2, 4);
    srid bytea := substr(wkb, 6, 4);
    first integer := 5;
    lon double precision;
    lat double precision;
BEGIN
    IF get_byte(wkb, 0) > 1 THEN
        RETURN NULL;
    END IF;
    IF little THEN
        kind := substr(kind, 4, 1) || substr(kind, 3, 1) || substr(kind, 2, 1) || substr(kind, 1, 1);
        srid := substr(srid, 4, 1) || substr(srid, 3, 1) || substr(srid, 2, 1) || substr(srid, 1, 1);
    END IF;
    -- A point is 1; with Z, M or both 1001, 2001 or 3001 (ISO), or with flags in the highest bits (EWKB).
    IF (get_byte(kind, 2) << 8 | get_byte(kind, 3)) NOT IN (1, 1001, 2001, 3001) OR get_byte(kind, 1) <> 0
        OR get_byte(kind, 0) & 31 <> 0 THEN
        RETURN NULL;
    END IF;
    IF get_byte(kind, 0) & 32 <> 0 THEN
        IF srid NOT IN ('\x00000000', '\x000010e6', '\x00001373') THEN
            RETURN NULL;  -- not WGS 84: no degrees
        END IF;
        first := 9;
    END IF;
    lon := wkb_number(wkb, first, little);
    lat := wkb_number(wkb, first + 8, little);
    RETURN CASE WHEN abs(lon) <= 180 AND abs(lat) <= 90 THEN point(lon, lat) END;
END $$;
COMMENT ON FUNCTION wkb_location IS 'The point of a WKB or EWKB in degrees; null: it is another geometry, or in another reference system';

CREATE FUNCTION geometry_location(value json, OUT location point, OUT kind text) LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    content text := value #>> '{}';
    found text[];
BEGIN
    IF json_typeof(value) = 'string' THEN
        IF content ~ '^([0-9a-fA-F]{2}){21,}$' THEN
            kind := 'wkb';
            location := wkb_location(decode(content, 'hex'));
        ELSIF content ~ '^\s*\{' THEN
            value := content::json;
        ELSE
            kind := 'wkt';
            found := regexp_match(content, '^\s*(?:SRID\s*=\s*(?:0|4326|4979)\s*;)?\s*POINT\s*(?:ZM?|M)?\s*\(\s*(\S+)\s+(\S+?)(?:\s+\S+?)*\s*\)\s*$', 'i');
            location := location_at(found[1], found[2]);
        END IF;
    END IF;
    IF kind IS NULL AND json_typeof(value) = 'object' THEN
        IF value ->> 'type' = 'Feature' THEN
            value := value -> 'geometry';
        END IF;
        IF value ->> 'type' = 'Point' THEN
            kind := 'geojson';
            location := location_at(value #>> '{coordinates,0}', value #>> '{coordinates,1}');
        ELSIF coalesce(value ->> 'srid', '4326') IN ('0', '4326', '4979') THEN
            kind := 'wkb';
            location := wkb_location(decode(value ->> 'wkb', 'base64'));
        END IF;
    END IF;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    location := NULL;
END $$;
COMMENT ON FUNCTION geometry_location IS 'The point that a column''s value is: GeoJSON, WKT, (E)WKB in hex, or Debezium''s struct with a wkb in base64';

CREATE FUNCTION paired_columns(content json) RETURNS SETOF text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT ARRAY[east.key, north.key] FROM json_object_keys(content) WITH ORDINALITY east(key, place)
    JOIN json_object_keys(content) north(key)
        ON lower(regexp_replace(east.key, '_?(longitude|lon|lng|long)$', '', 'i'))
            = lower(regexp_replace(north.key, '_?(latitude|lat)$', '', 'i'))
    WHERE east.key ~* '(longitude|lon|lng|long)$' AND north.key ~* '(latitude|lat)$'
    ORDER BY place
$$;
COMMENT ON FUNCTION paired_columns IS 'Columns that are halves of one pair by their names, longitude first: also in capitals, with the same prefix';

CREATE FUNCTION shaped_columns(content json) RETURNS TABLE (key text, value json) LANGUAGE sql IMMUTABLE AS $$
    SELECT key, value FROM json_each(content)
    WHERE value::text ~* '^"?\s*\{.*"(coordinates|wkb|geometry)|^"\s*(SRID\s*=\s*\d+\s*;)?\s*POINT|^"0[01][0-9a-f]{40,82}"$'
$$;
COMMENT ON FUNCTION shaped_columns IS 'Columns whose values look like a geometry';

CREATE FUNCTION locate(entity_state text, OUT location point, OUT kind text, OUT columns text[])
LANGUAGE plpgsql IMMUTABLE AS $$
DECLARE
    usual constant text[] := ARRAY[['lon', 'lat'], ['lng', 'lat'], ['longitude', 'latitude']];
    content json;
    pair text[];
    shape record;
    found record;
BEGIN
    -- Usual names are looked for first, and whether there may be anything at all: both are known much sooner.
    FOREACH pair SLICE 1 IN ARRAY usual LOOP
        IF strpos(entity_state, '"' || pair[1] || '":') > 0 AND strpos(entity_state, '"' || pair[2] || '":') > 0 THEN
            location := location_at(entity_state::json ->> pair[1], entity_state::json ->> pair[2]);
            IF location IS NOT NULL THEN
                kind := 'lonlat';
                columns := pair;
                RETURN;
            END IF;
        END IF;
    END LOOP;
    IF entity_state !~* '(lat|latitude)"|coordinates|wkb|POINT|"0[01][0-9a-f]{40}' THEN
        RETURN;
    END IF;
    content := entity_state;
    IF json_typeof(content) <> 'object' THEN
        RETURN;
    END IF;
    FOR pair IN SELECT paired_columns(content) LOOP
        location := location_at(content ->> pair[1], content ->> pair[2]);
        IF location IS NOT NULL THEN
            kind := 'lonlat';
            columns := pair;
            RETURN;
        END IF;
    END LOOP;
    FOR shape IN SELECT * FROM shaped_columns(content) LOOP
        found := geometry_location(shape.value);
        IF found.location IS NOT NULL THEN
            location := found.location;
            kind := found.kind;
            columns := ARRAY[shape.key];
            RETURN;
        END IF;
    END LOOP;
EXCEPTION WHEN data_exception OR program_limit_exceeded THEN
    location := NULL;
END $$;
COMMENT ON FUNCTION locate IS 'Where a row says that its entity is, longitude and latitude in degrees, and by which columns: as `msr_stream/clips/positions.py` finds it';

CREATE FUNCTION location_of(entity_state text) RETURNS point LANGUAGE sql IMMUTABLE AS $$
    SELECT (locate(entity_state)).location
$$;
COMMENT ON FUNCTION location_of IS 'Where a row says that its entity is; null: it does not';

CREATE FUNCTION metres_between(a point, b point) RETURNS double precision LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT 2 * 6371008.8 * asin(least(1, sqrt(
        sind((b[1] - a[1]) / 2) ^ 2 + cosd(a[1]) * cosd(b[1]) * sind((b[0] - a[0]) / 2) ^ 2)))
$$;
COMMENT ON FUNCTION metres_between IS 'The great-circle distance on a sphere of the Earth''s mean radius (haversine formula)';

-- They read nothing but what they are given.
GRANT EXECUTE ON FUNCTION degrees_of(text, double precision), location_at(text, text),
    wkb_number(bytea, integer, boolean), wkb_location(bytea), geometry_location(json), paired_columns(json), shaped_columns(json), locate(text), location_of(text), metres_between(point, point) TO PUBLIC;
