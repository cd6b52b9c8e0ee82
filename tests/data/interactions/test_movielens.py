"""MovieLens in every layout it comes in: the same three ratings, the same films, the same people."""

from __future__ import annotations

import pytest

from lab.errors import UserError

RATINGS = [("1", "10", 4.0, 978300760.0), ("1", "2", 3.5, 978302109.0), ("2", "10", 5.0, 978298413.0)]
GENRES_OF_100K = 19


def whole(value):
    return f"{value:.0f}" if value == int(value) else str(value)


@pytest.fixture
def latest(put):
    rows = "".join(f"{u},{i},{v},{t:.0f}\n" for u, i, v, t in RATINGS)
    put("ml/ratings.csv", "userId,movieId,rating,timestamp\n" + rows)
    put("ml/tags.csv", "userId,movieId,tag,timestamp\n1,10,funny,978300761\n")
    films = '10,"Misérables, Les (1995)",Drama|Musical\n2,Nobody Knows,(no genres listed)\n3,Unseen (2001),War\n'
    return put("ml/movies.csv", "movieId,title,genres\n" + films).parent


@pytest.fixture
def dat(put):
    put("ml/ratings.dat", "".join(f"{u}::{i}::{whole(v)}::{t:.0f}\n" for u, i, v, t in RATINGS))
    put("ml/users.dat", "1::F::1::10::48067\n2::M::56::16::02460\n")
    films = '10::Misérables, Les (1995)::Drama|Musical\n2::Nobody "Knows"::(no genres listed)\n3::Unseen (2001)::War\n'
    return put("ml/movies.dat", films.encode("latin-1")).parent


@pytest.fixture
def u_data(put):
    put("ml/u.data", "".join(f"{u}\t{i}\t{whole(v)}\t{t:.0f}\n" for u, i, v, t in RATINGS))
    put("ml/u.user", "1|24|F|technician|85711\n2|53|M|other|T8H1N\n")
    flags = {"10": {8, 12}, "2": {0}, "3": {17}}
    titles = {"10": "Misérables, Les (1995)", "2": "unknown", "3": "Unseen (2001)"}
    rows = [
        f"{film}|{title}|01-Jan-1995||http://x|" + "|".join(str(int(at in flags[film])) for at in range(GENRES_OF_100K))
        for film, title in titles.items()
    ]
    return put("ml/u.item", ("\n".join(rows) + "\n").encode("latin-1")).parent


@pytest.fixture
def atomic(put):
    rows = "".join(f"{u}\t{i}\t{whole(v)}\t{t:.0f}\n" for u, i, v, t in RATINGS)
    put("ml/ml-100k.inter", "user_id:token\titem_id:token\trating:float\ttimestamp:float\n" + rows)
    header = "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    put("ml/ml-100k.user", header + "1\t24\tF\ttechnician\t85711\n2\t53\tM\tother\tT8H1N\n")
    header = "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    films = '10\tMisérables, "Les\t1995\tDrama Musical\n2\tNobody Knows\t\t\n'
    return put("ml/ml-100k.item", header + films).parent


@pytest.mark.parametrize("layout", ["latest", "dat", "u_data", "atomic"])
def test_ratings_are_the_same_in_every_layout(layout, request, load, triples):
    found = load(request.getfixturevalue(layout))
    assert triples(found) == RATINGS
    assert found.rows.tolist() == [0, 1, 2]
    assert found.items == ["10", "2"]
    assert list(found.item_table.columns) == ["title", "year", "genres"]
    film = found.item_table.loc["10"]
    assert (film.title.split(",")[0], film.year, film.genres) == ("Misérables", 1995, ["Drama", "Musical"])
    assert found.item_table.loc["2"].genres == []
    assert found.item_table.year.isna().tolist() == [False, True]
    assert found.description.startswith("3 ratings of 2 users and 2 items from ")


def test_what_is_known_of_people(u_data, load):
    table = load(u_data).user_table
    assert list(table.columns) == ["age", "gender", "occupation", "zip_code"]
    assert table.age.tolist() == [24, 53]
    assert table.zip_code.tolist() == ["85711", "T8H1N"]


def test_occupations_of_1m_have_names_and_postal_codes_their_zeros(dat, load):
    table = load(dat).user_table
    assert table.occupation.tolist() == ["K-12 student", "self-employed"]
    assert table.zip_code.tolist() == ["48067", "02460"]
    assert table.age.tolist() == [1, 56]


def test_10m_has_no_users_and_half_stars(dat, load, triples):
    (dat / "users.dat").unlink()
    (dat / "ratings.dat").write_text("7::122::4.5::838985046\n")
    found = load(dat)
    assert found.user_table is None
    assert triples(found) == [("7", "122", 4.5, 838985046.0)]


def test_films_without_ratings_can_be_ranked_too(latest, load):
    found = load(latest, catalogue="all")
    assert found.items == ["10", "2", "3"]
    assert found.item_table.title.tolist()[2] == "Unseen (2001)"
    assert [found.items[i] for i in found.item] == ["10", "2", "10"]
    told = [step.what for step in load(latest).cleaning if step.name == "items without interactions"]
    assert told == ["1 items of the table of items that no interaction is left of: not ranked"]


def test_own_tables_take_the_place_of_the_layouts(latest, put, load):
    texts = put("plots.csv", "movieId,text\n10,A man steals bread.\n2,Four children.\n")
    found = load(latest, items=str(texts))
    assert found.item_table.text.tolist() == ["A man steals bread.", "Four children."]


def test_broken_ratings_are_named_by_their_rows(dat, load):
    with open(dat / "ratings.dat", "a") as file:
        file.write("3::2::five::978298413\n::2::3::978298413\n3::2::4\n")
    with pytest.raises(UserError, match=r"not as many cells in row 5; no user in row 4; value missing.* in row 3\. "):
        load(dat)
    assert len(load(dat, skip_broken=True)) == 3


def test_films_of_other_columns_stay_as_they_are(latest, put, load):
    put("ml/movies.csv", "id,text\n10,A man steals bread.\n2,Four children.\n")
    assert load(latest).item_table.text.tolist() == ["A man steals bread.", "Four children."]


def test_ratings_without_films_are_a_table(latest, load, triples):
    (latest / "movies.csv").unlink()
    found = load(latest)
    assert triples(found) == RATINGS
    assert found.item_table is None


def test_a_folder_of_no_known_layout(latest, put, load, tmp_path):
    with pytest.raises(UserError, match=f"did you mean {latest}"):
        load(tmp_path)
    put("other/notes.txt", "")
    with pytest.raises(UserError, match=r"no known layout; expected ratings\.csv"):
        load(tmp_path / "other")
    with pytest.raises(UserError, match=r"data\.user: .* has columns of its own"):
        load(latest, user="userId")
