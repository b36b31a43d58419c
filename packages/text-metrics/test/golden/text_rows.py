"""Meanings of the E2E challenge's kind, each with references and an output, written for make_texts.py."""

from random import Random

GOOD = [
    (
        ["The Copper Kettle is a cheap pub by the river that children are welcome in.",
         "By the riverside there is a low-priced, family-friendly pub called The Copper Kettle.",
         "The Copper Kettle: a pub, inexpensive, kid friendly, on the river."],
        "The Copper Kettle is an inexpensive, child-friendly pub near the river.",
    ),
    (
        ["Luna Bay serves Italian food in the city centre; its customer rating is 5 out of 5.",
         "For Italian meals downtown, try Luna Bay. It is rated 5 out of 5!"],
        "Luna Bay serves Italian food in the city centre. It has a customer rating of 5 out of 5.",
    ),
    (
        ["Old Mill is a coffee shop near Green Park that isn't family-friendly.",
         "Near Green Park you'll find Old Mill, a coffee shop. Families with children are not welcome."],
        "Old Mill is a coffee shop located near Green Park. It doesn't welcome families with kids.",
    ),
    (
        ["The Rose & Thistle offers English food for £20-25 and has a high customer rating.",
         "English food at £20–25, highly rated by its customers: that is The Rose & Thistle."],
        "The Rose & Thistle provides English food in the £20-25 price range, with a high rating.",
    ),
    (
        ["Marco's is an average-priced French restaurant, and children like it there.",
         "Marco's, a French eatery with average prices, is good for kids.",
         "If you have children, Marco's is a moderately priced French place."],
        "Marco's is a French restaurant. Its prices are average, and it is child friendly.",
    ),
    (
        ["Sakura House has sushi for less than £20. It sits by the river, near the Grand Hotel."],
        "Sakura House, near the Grand Hotel on the riverside, sells sushi for under £20.",
    ),
    (
        ["Blue Door is expensive but its customers rate it 1 out of 5.",
         "With a rating of just 1 out of 5, Blue Door is overpriced."],
        "Blue Door is expensive but its customers rate it 1 out of 5.",
    ),
    (
        ["There are many dishes that one can choose from at Fern's; they were cooked by local women.",
         "Fern's has chosen its dishes well; local women do the cooking."],
        "The dishes at Fern's are cooked by a local woman, and choosing one is hard.",
    ),
]

AWKWARD = [
    (["The Anchor is a pub.", "A pub: The Anchor."], ""),
    (["The Anchor is a pub.", "The Anchor, a pub, is located in the city centre near the bus station."], "Pub"),
    (["The Anchor is a pub in the city centre."], "the the the the the the the the"),
    (["The Anchor is a pub.", "It's a pub, The Anchor."],
     "The Anchor is a pub. The Anchor is a pub. The Anchor is a pub, and it is a pub, near a pub."),
    (["The Anchor is a pub by the river."], "Zebras quietly eat seventeen bicycles."),
    (["Café Zoë serves crème brûlée — naïve, perhaps… but “good”.", "Café Zoë’s crème brûlée is ‘good’."],
     "Café Zoë’s “crème brûlée” – it’s good… isn’t it?"),
    (["Ресторан «Луна» предлагает 日本料理 in Ελλάδα.", "Луна: 日本料理."], "Ресторан «Луна»: 日本料理 😀 in Ελλάδα!"),
    (['"Wow!!!", he said (twice); "it\'s $5.50/person, or 1,250 in all -- really?" #yes @home',
      "He said 'wow' [twice]: it costs $ 5.50 a person & 1,250 in all..."],
     '"Wow!", he said [twice]; "it\'s $5.50 a person, 1,250 in all - really?!" {yes}'),
    (["Mr. St. John's place, est. 1990, opens at 10:30 a.m. on Fridays, i.e. not on the 3rd.",
      "It can't be said that Mr. St. John opens before 10:30a.m. on the 3rd."],
     "Mr. St. John can't open at 10.30 a.m. (3rd), e.g. in the U.K. or the U.S."),
    (["They're gonna serve you, 'cause you cannot wait: it's rock 'n' roll at O'Malley's.",
      "You can not wait at O'Malley's, so they are going to serve you."],
     "They'll serve you at O'Malley's since you cannot wait; I'd say it's rock'n'roll."),
    (["Tom &amp; Jerry &lt;pub&gt; is &quot;fine&quot;.", "Tom & Jerry <skipped> is a fine pub-\nlike place."],
     "Tom & Jerry is a fine\npub."),
    (["a", "b c"], "a b"),
    ([".", "..."], "!"),
    (["x.y end.Next www.lunabay.com/menu?x=1 chef@lunabay.com 50% off 3*4 a+b=c ½"],
     "x.y  end. Next\twww.lunabay.com/menu?x=1 chef@lunabay.com 50 % off 3 * 4 a + b = c 1/2\r\n"),
    (["0 stars of 5 for ÉCLAIR, 0 stars for Éclair; 0 of 9."], "0 stars for ÉCLAIR and éclair, well-\nmade. BUT 0 of 9"),
]

def drawn(random, words, longest):
    """Few words in many places, which texts and references can be aligned by in many ways."""
    def text():
        return " ".join(random.choices(words, k=random.randint(longest // 2, longest)))
    return [text(), text()], text()


RANDOM = Random(4)
DRAWN = [drawn(RANDOM, "the a kid kids child children friendly pub near by is are serves serving food meals".split(), n) for n in [9, 9, 14, 14, 20, 20, 30, 30]]

# Where METEOR leaves words unaligned, for the distances that a skipped word bears.
SKIPPED = [(["kids children kids"], "near kids kid"), (["child kids kids"], "the child children the children kids")]

# Lines that the Penn Treebank's tokenizer has something to do in.
LINES = r"""
The "Wrestlers" serves 'fine' food, and it's a kids' place, isn't it?
They've been; I'd say we'll go 'cause you're there, y'all.
cannot gonna gotta lemme wanna gimme Cannot CANNOT d'ye 'tis 'twas 'em 'n' ne'er ma'am dunno
price range £20-25, €30 $40 US$50 A$5 cheap (less than £20) [x] {y} <b> a/b and/or w/ * ** & &amp; AT&T R&B tom&jerry
1/2 3/4 ½ 1½ 2¼cup ⅔ 10² m² 5.50 5,000 10:30 10:30am 7pm 9-5 1990s '90s 5-star 5* 3rd 100% 1..2 1.5m 1.5-2 .5.5 -5 +5
Mr. Smith St. Peter Inc. etc. approx. e.g. i.e. U.S. U.K. a.m. p.m. no. 5 No. yes vs. Dr. Mass. mass. Pa. pa.
wow!!! what?! really... so.... … – — - -- --- ; ;; :: : . . . !! ?? !? a...b x. . y
family-friendly child-friendly. low-priced,cheap cheap,family-friendly x,y-z one,two semi-colon;next colon:next end.Next
Center., center.; Center. , centre. Center! wow!Great a.B word.Word.Word d.5 5.a 5a.b aa.5
Ünïcode café Straße naïve 日本語 Ελλάδα don’t ‘quoted’ “double” `back` ``dd'' «guillemets» İstanbul ŒUVRE ﬁne
a.b.c x.y. $5.00. 5. 10. Plan B. The plan B. It plan C. it plan D. Nothing plan E.
o'clock rock'n'roll rock 'n' roll O'Neil d'Arc l'eau c'mon qu'il aujourd'hui 5's John's' '80s-style
x_y a_b_c a+b=c 50°C ©2020 ™ → • # $ % * / = @ \ ^ _ | ~ ¥ ¢ § ± × ÷ ® · ☆ ¡ ¿ ¶ № < > << >>
:) ;-) :-( <3 :D :P =) ^_^ :/ :o 8) (: food:(cheap) XD >:( :'(
http://a.com/b https://a.b www.abc.com abc.com site.co.uk file.txt me@site.co.uk x@y.com #tag @user #1 C++ C# c# a#b a$b
soft­hyphen x­y zero​width a b c　d 😀 ﷺ 한국어 עברית 中文。你好,世界
U.S.A U.S., (U.S.) etc., e.g., "etc." est. 1990 op. 5 op. five figs. 3 Jan. 5 may. Sept. Ph.D. M.D. ext. 12
5:30-6:30 1,5-2,5 12-34-56 1-800-555-1234 2018-2019 F-16s B-52 A- -based well-known- three-and-a-half 24/7 n/a km/h TCP/IP
&lt;pub&gt; &quot;fine&quot; <p> </p> <br/> < b >
""".strip().split("\n")

# Where mteval-v13a sees a space, and where none.
SPACES = ["a\u2003b\u00a0c\u0085d\u3000e\x0bf", "a\x1cb\u200bc\ufeffd\u180ee", "well-\nmade well-\r\nmade\n", "<skipped>a<skipped>b&amp;lt;", "İSTANBUL ŒUVRE É e"]

# Words whose meanings are asked for: regular and irregular forms, such that only look like forms, and none.
WORDS = """
child children kids kid women men ate chosen picked cheaper friendlier best better is are was does doing costs priced prices
glass glasses pass boss mass boxes buzzes churches dishes parties moved stopped running making largest nicer wolves leaves axes bases feed
offer offered offers after as an us spoonful cupful is's 5 20 u.s zzzz pubs restaurants eateries eatery rated ratings located
situated serving serves serve moderately inexpensive low-priced riverside centre center women's abetted carried happiest acer
""".split()
