"""The objects of the ATLAS API: the same for the sandbox and for the real server."""

import re

import pytest

words = str.split

NO_OBJECT = "AtlasDiffObjects matching query does not exist."


OBJECT = words(
    """id followup_id followup_flag_date detection_id ra dec object_classification
    sherlockClassification observation_status htm16id jtindex images_id date_inserted
    date_modified processing_flags updated_by followup_priority external_reference_id
    detection_list_id survey_field followup_counter atlas_designation other_designation
    current_trend local_comments ndetections vra rb_pix"""
)
BLOCKS = words(
    """object lc lcnondets fp sherlock_crossmatches sherlock_classifications tns_crossmatches
    external_crossmatches"""
)
EXTERNAL = words(
    """id transient_object_id external_designation type host_galaxy mag discoverer matched_list
    other_info separation comments url host_z object_z disc_date disc_filter"""
)
KEYS = {
    "lc": words(
        """id mag magerr mjd exptime filter zp expname ra dec atlas_metadata_id pointing mag5sig x y
    major minor phi det chin pvr ptr pmv pkn pno pbn pcr pxt psc dup wpflx dflx
    date_inserted"""
    ),
    "lcnondets": words(
        """id mjd exptime filter zp expname filename input reference pointing mag5sig
            date_inserted"""
    ),
    "fp": words(
        """id atlas_object_id expname mjd_obs ra dec filter mag dm snr zp x y peakval skyval peakfit
    dpeak skyfit flux dflux chin major minor snrdet snrlimit apfit date_inserted
    limiting_mag redo_photometry uJy duJy texp"""
    ),
    "sherlock_classifications": words(
        """transient_object_id classification annotation summary matchverified developmentcomment
    datelastmodified datecreated updated"""
    ),
    "tns_crossmatches": EXTERNAL,
    "external_crossmatches": EXTERNAL,
    "sherlock_crossmatches": words(
        """transient_object_id catalogue_object_id catalogue_table_id separationarcsec
    northseparationarcsec eastseparationarcsec id z scale distance distance_modulus photoz
    photozerr association_type datecreated physical_separation_kpc catalogue_object_type
    catalogue_object_subtype association_rank catalogue_table_name catalogue_view_name
    rank rankscore search_name major_axis_arcsec direct_distance direct_distance_scale
    direct_distance_modulus radeg decdeg original_search_radius_arcsec catalogue_view_id u
    uerr b berr v verr r rerr i ierr j jerr h herr k kerr field_u field_uerr field_g
    field_gerr field_r field_rerr field_i field_ierr field_z field_zerr field_y field_yerr
    g gerr unkmag unkmagerr datelastmodified updated classificationreliability
    transientabsmag merged_rank w1 w1err z_distance z_distance_modulus pz_distance_scale
    pz_distance pz_distance_modulus best_distance best_distance_flag best_distance_source
    direct_distance_cat pz_distance_cat sm_axis_arcsec z_distance_cat z_distance_scale w2
    w2err w3 w3err w4 w4err"""
    ),
}
# Names whose values are of one type in every row; the others may be null or of either type.
FLOATS = set(words("mag magerr mjd zp ra dec x y major minor chin mjd_obs snr uJy duJy"))
WHOLES = set(words("id atlas_metadata_id atlas_object_id det pvr ptr dup transient_object_id"))


def test_item_has_all_blocks_in_order(rich):
    assert list(rich) == BLOCKS
    assert list(rich["object"]) == OBJECT


@pytest.mark.parametrize("block", KEYS)
def test_block_has_its_keys_in_order(rich, block):
    assert {tuple(row) for row in rich[block]} == {tuple(KEYS[block])}


@pytest.mark.parametrize("block", ["lc", "lcnondets", "fp"])
def test_types_of_photometry(rich, block):
    for row in rich[block]:
        for name, value in row.items():
            if name in FLOATS and value is not None:
                assert isinstance(value, float), name
            elif name in WHOLES:
                assert type(value) is int, name
            elif name in ("expname", "filter"):
                assert isinstance(value, str), name


def test_photometry_is_in_time_order(rich):
    for block, key in (("lc", "mjd"), ("fp", "mjd_obs")):
        times = [row[key] for row in rich[block]]
        assert times == sorted(times)
    ids = [row["id"] for row in rich["lcnondets"]]
    assert ids == sorted(set(ids))


def test_rows_of_lc_carry_the_id_of_the_object(rich):
    assert {row["id"] for row in rich["lc"]} == {rich["object"]["id"]}
    assert len({row["atlas_metadata_id"] for row in rich["lc"]}) == len(rich["lc"])


def test_exposure_is_detection_or_non_detection(rich):
    detected = {row["atlas_metadata_id"] for row in rich["lc"]}
    assert not detected & {row["id"] for row in rich["lcnondets"]}
    assert all(row["mag5sig"] for row in rich["lcnondets"])


def test_exposure_names(rich):
    for block, key in (("lc", "mjd"), ("lcnondets", "mjd"), ("fp", "mjd_obs")):
        for row in rich[block]:
            night, band = re.fullmatch(r"0\d[ar](\d{5})o\d{4}(\w)", row["expname"]).groups()
            assert (int(night), band) == (int(row[key]), row["filter"])


def test_single_precision_columns_have_six_digits(rich):
    for row in rich["lc"] + rich["fp"]:
        for name in ("mag", "zp", "chin", "major"):
            if row[name] is not None:
                assert row[name] == float(f"{row[name]:.6g}")


def test_fluxes_follow_from_the_fit(rich):
    for row in rich["fp"]:
        if row["peakfit"] is None:
            assert row["uJy"] is None
        elif row["apfit"] is not None:
            factor = 10 ** (-0.4 * (row["zp"] + row["apfit"] - 23.9))
            flux = row["peakfit"] * row["major"] * row["minor"] / row["texp"] * factor
            assert row["uJy"] == pytest.approx(flux, rel=1e-9)


def test_forced_limits(rich):
    limits = [row for row in rich["fp"] if row["limiting_mag"]]
    assert limits
    assert {type(row["limiting_mag"]) for row in rich["fp"]} == {bool}
    assert all(not row["dm"] for row in limits)


def test_dates_are_utc(rich):
    iso = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
    assert iso.fullmatch(rich["object"]["date_inserted"])
    assert all(iso.fullmatch(row["date_inserted"]) for row in rich["lc"] + rich["lcnondets"])


def test_names_are_split_by_list(rich):
    lists = {row["matched_list"] for row in rich["tns_crossmatches"]}
    assert lists == {"Transient Name Server"}
    names = [row["external_designation"] for row in rich["external_crossmatches"]]
    assert names == sorted(names)
    assert rich["object"]["other_designation"] in {
        row["external_designation"] for row in rich["tns_crossmatches"]
    }


def test_order_and_duplicates_are_kept(wire):
    first, second = wire.main()[:2]
    asked = [second, first, second]
    items = wire.json("objects/", {"objects": ",".join(map(str, asked)), "mjd": 99999})
    assert [item["object"]["id"] for item in items] == asked


@pytest.mark.parametrize("token", ["{missing}", "99999999999999999999999", "-1", "0"])
def test_unknown_id(wire, token):
    token = token.format(missing=wire.server.manifest["missing_id"])
    known = wire.main()[0]
    items = wire.json("objects/", {"objects": f"{token}, {known}", "mjd": 99999})
    assert items[0] == {"object": NO_OBJECT, **dict.fromkeys(BLOCKS[1:])}
    assert items[1]["object"]["id"] == known


@pytest.mark.parametrize("token", ["abc", "1.5", "ATLAS26abc", ""])
def test_token_that_is_no_number_costs_the_batch(wire, token):
    wire.page("objects/", {"objects": f"{wire.main()[0]},{token}", "mjd": 99999}, status=500)


def test_poisoned_object_costs_the_batch(wire):
    poison = wire.server.manifest["poison_500"]
    wire.page("objects/", {"objects": poison}, status=500)
    wire.page("objects/", {"objects": f"{wire.main()[0]},{poison}"}, status=500)
    assert wire.item(poison, mjd=99999)["object"]["id"] == int(poison)


def test_over_50000_ids(wire):
    reply = wire.json("objects/", {"objects": ",".join(["1"] * 50001)})
    assert reply == {"info": "Max number of objects for each requests is 50,000"}


def test_mjd_is_a_lower_bound(wire, rich):
    identifier = rich["object"]["id"]
    bound = rich["fp"][len(rich["fp"]) // 2]["mjd_obs"]
    item = wire.item(identifier, mjd=repr(bound))
    assert [row["mjd_obs"] for row in item["fp"]] == [
        row["mjd_obs"] for row in rich["fp"] if row["mjd_obs"] >= bound
    ]
    for block in ("lc", "lcnondets"):
        assert [r["expname"] for r in item[block]] == [
            r["expname"] for r in rich[block] if r["mjd"] > round(bound, 6)
        ]


@pytest.mark.parametrize("mjd", [99999, 1e300])
def test_future_mjd_leaves_the_metadata(wire, rich, mjd):
    item = wire.item(rich["object"]["id"], mjd=mjd)
    assert (item["lc"], item["lcnondets"], item["fp"]) == ([], [], [])
    for block in BLOCKS[4:]:
        assert item[block] == rich[block]


@pytest.mark.parametrize("mjd", [0, -1, ""])
def test_mjd_that_bounds_nothing(wire, rich, mjd):
    assert wire.item(rich["object"]["id"], mjd=mjd)["lc"] == rich["lc"]


def test_object_without_detections_has_limits(wire):
    item = wire.item(wire.server.manifest["no_lc"][0])
    assert item["lc"] == []
    assert len(item["lcnondets"]) > 100


def test_object_on_ra_zero_has_no_limits(wire):
    item = wire.item(wire.server.ids("wrap0")[0])
    assert {row["ra"] > 180 for row in item["lc"]} == {True, False}
    assert item["lcnondets"] == []


def test_traps_of_the_data(wire):
    """Negative magnitudes, flagged duplicates and rare filters are there to be met."""
    ids = ",".join(str(i) for i in wire.server.ids("field")[:40])
    rows = [row for item in wire.json("objects/", {"objects": ids}) for row in item["lc"]]
    assert min(row["mag"] for row in rows) < 0
    assert min(row["dup"] for row in rows) < 0
    assert {"o", "c", "w"} <= {row["filter"] for row in rows}
